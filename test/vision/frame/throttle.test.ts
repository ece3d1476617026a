import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createThrottle } from '#services/vision/frame/throttle.ts'

const passing = (times: readonly number[], fps: number) => times.filter(createThrottle(fps))

test('frames of a faster camera are dropped evenly', () => {
  const times = Array.from({ length: 300 }, (_, i) => (i * 1000) / 30)
  const passed = passing(times, 15)
  assert.equal(passed.length, 150)
})

test('jitter does not drop frames of a camera with the right rate', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 20 }), (jitter) => {
      const times = jitter.map((off, i) => (i * 1000) / 15 + off)
      assert.equal(passing(times, 15).length, times.length)
    }),
  )
})

test('no more frames pass than the rate allows', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 50 }), (gaps) => {
      let now = 0
      const times = gaps.map((gap) => (now += gap))
      const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000
      assert.ok(passing(times, 15).length <= seconds * 15 + 2)
    }),
  )
})
