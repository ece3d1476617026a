import assert from 'node:assert/strict'
import { test } from 'node:test'
import { costsIn, PI_5, piEstimate, slowdown } from '#bench/report/pi-estimate.ts'
import { result } from './result.ts'

const TWICE = { compressing: PI_5.compressing * 2, decompressing: PI_5.decompressing * 2 }
const encoder = result(
  'off, no viewer\n  vision     3.0 %   MainThread 2\noff, one layer of 720p at 1.5 Mbit/s\n  vision    18.0 %   MainThread 3',
)
const video = result(
  'text\n\n| process | CPU, 0 viewers | 1 viewer |\n|---|---|---|\n| vision | 20 % | 40.0 % |\n| webrtc | 0 % | 6.0 % |',
)

test('a machine twice as fast as a Pi 5 makes it need twice the time, and up to four times with vectors', () => {
  assert.deepEqual(slowdown(TWICE), { scalar: { low: 2, high: 2 }, vector: { low: 2, high: 4 } })
  const { scalar } = slowdown({ compressing: PI_5.compressing, decompressing: PI_5.decompressing * 1.5 })
  assert.deepEqual(scalar, { low: 1, high: 1.5 })
})

test('the costs are read from the results', () => {
  assert.deepEqual(
    costsIn({ encoder, video }).map(({ scalar, vector }) => [scalar, vector]),
    [
      [0, 18],
      [6, 40],
    ],
  )
  assert.deepEqual(costsIn({}), [])
})

test('the section says that it is an estimate; without a score or a result there is none', () => {
  const text = piEstimate(TWICE, { encoder, video }) ?? ''
  assert.match(text, /An estimate, not a measurement/)
  assert.match(text, /\| vision, one layer .* \| 18\.0 % \| 36 to 72 % \| 9 to 18 % \|/)
  assert.match(text, /\| all processes, .* \| 46\.0 % \| 92 to 172 % \| 23 to 43 % \|/)
  assert.equal(piEstimate(undefined, { encoder }), undefined)
  assert.equal(piEstimate(TWICE, {}), undefined)
})
