import assert from 'node:assert/strict'
import test from 'node:test'
import { createSilentAudio } from '#services/webrtc/rtp/silent-audio.ts'
import { KeyframeRequests } from '#services/webrtc/video/layer-feed.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'

test('keyframe requests: the first at once, one more for all that follow, none when a keyframe has arrived', (t) => {
  const clock = fakeClock(t)
  let asked = 0
  using requests = new KeyframeRequests(() => asked++, 50)
  for (let i = 0; i < 10; i++) requests.request()
  assert.equal(asked, 1)
  clock.advance(49)
  assert.equal(asked, 1)
  clock.advance(2)
  assert.equal(asked, 2)
  clock.advance(100)
  for (let i = 0; i < 10; i++) requests.request()
  assert.equal(asked, 3)
  requests.keyframeArrived()
  clock.advance(100)
  assert.equal(asked, 3)
})

test('silence is one packet every 20 ms, without bursts after a stall', (t) => {
  const clock = fakeClock(t)
  using silence = createSilentAudio()
  const packets: { at: number; timestamp: number }[] = []
  const listening = silence.listen({
    audio(payload, timestamp) {
      assert.deepEqual([...payload], [0xf8, 0xff, 0xfe])
      packets.push({ at: performance.now(), timestamp })
    },
  })
  const during = (act: () => void) => {
    const before = packets.length
    act()
    return packets.slice(before)
  }
  assert.equal(during(() => clock.advance(200)).length, 10)
  clock.stall(150)
  const after = during(() => clock.advance(300))
  assert.equal(packets.length, 32, 'what was missed is made up for')
  const gaps = after.slice(1).map(({ at }, i) => at - (after[i]?.at ?? 0))
  assert.ok(Math.min(...gaps) >= 10, `at twice the pace at most: ${gaps}`)
  // after a long stall the hole stays
  clock.stall(2_000)
  assert.equal(during(() => clock.advance(200)).length, 10)
  for (const { at, timestamp } of packets.slice(-5)) {
    const [first] = packets
    assert.ok(first)
    const ticks = (timestamp - first.timestamp) >>> 0
    assert.ok(
      Math.abs(ticks / 48 - (at - first.at)) <= 20,
      `${ticks / 48} ms of audio after ${at - first.at} ms`,
    )
  }
  listening[Symbol.dispose]()
  assert.equal(during(() => clock.advance(100)).length, 0)
})
