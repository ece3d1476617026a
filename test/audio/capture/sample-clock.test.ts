import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SampleClock } from '#services/audio/capture/sample-clock.ts'

const CHUNK = 960

test('chunks that arrive with delays of up to 150 ms get times that are 20 ms apart', () => {
  const clock = new SampleClock()
  let last = clock.place(CHUNK, 20)
  for (let n = 1; n < 500; n++) {
    const at = clock.place(CHUNK, (n + 1) * 20 + (n % 7 === 0 ? 150 : n % 3))
    assert.ok(Math.abs(at - last - 20) < 0.2, `${at - last}`)
    assert.ok(Math.abs(at - n * 20) < 3)
    last = at
  }
})

test('a sound card whose clock is slower or faster by 200 ppm is followed', () => {
  for (const ppm of [200, -200]) {
    const clock = new SampleClock()
    for (let n = 0; n < 50_000; n++) {
      const arrival = (n + 1) * 20 * (1 + ppm / 1e6)
      const at = clock.place(CHUNK, arrival)
      assert.ok(Math.abs(at + 20 - arrival) < 2, `${ppm} ppm, chunk ${n}: ${at + 20 - arrival} ms`)
    }
  }
})

test('after a gap the times continue with the present', () => {
  const clock = new SampleClock()
  clock.place(CHUNK, 20)
  assert.equal(clock.place(CHUNK, 1_020), 1_000)
})

test('what a delay has held back keeps its times', () => {
  const clock = new SampleClock()
  clock.place(CHUNK, 20)
  const at = clock.place(CHUNK * 50, 1_020)
  assert.ok(Math.abs(at - 20) < 1)
})
