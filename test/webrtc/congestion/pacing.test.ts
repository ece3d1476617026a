import assert from 'node:assert/strict'
import test from 'node:test'
import { createSilence } from '#services/webrtc/rtp/silent-audio.ts'
import { createKeyframeRequests } from '#services/webrtc/video/keyframe-requests.ts'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('keyframe requests: the first at once, one more for all that follow, none when one came meanwhile', async () => {
  let asked = 0
  using requests = createKeyframeRequests(() => asked++, 50)
  for (let i = 0; i < 10; i++) requests.request()
  assert.equal(asked, 1)
  await wait(100)
  assert.equal(asked, 2)
  for (let i = 0; i < 10; i++) requests.request()
  requests.arrived()
  await wait(100)
  assert.ok(asked <= 3)
})

test('silence is one packet every 20 ms, without bursts after a stall (G02)', async () => {
  using silence = createSilence()
  const times: number[] = []
  const stamps: number[] = []
  const listening = silence.listen({
    audio(payload, timestamp) {
      assert.equal(payload.length, 3)
      times.push(performance.now())
      stamps.push(timestamp)
    },
  })
  await wait(200)
  const stalled = performance.now()
  while (performance.now() < stalled + 150);
  const before = times.length
  await wait(15)
  assert.ok(times.length - before <= 2, 'no burst')
  await wait(200)
  listening[Symbol.dispose]()
  const ticks = ((stamps.at(-1) ?? 0) - (stamps[0] ?? 0)) >>> 0
  assert.ok(
    Math.abs(ticks / 48 - ((times.at(-1) ?? 0) - (times[0] ?? 0))) < 40,
    'timestamps follow the clock',
  )
  const { length } = times
  await wait(60)
  assert.equal(times.length, length)
})
