import assert from 'node:assert/strict'
import test from 'node:test'
import { createTimeline } from '#services/webrtc/rtp/timestamp-rebaser.ts'
import { createLiveness } from '#services/webrtc/session/liveness.ts'
import { createFreshness } from '#services/webrtc/video/max-age-filter.ts'

function clock() {
  let now = 1_000
  const advance = (ms: number) => {
    now += ms
  }
  return { now: () => now, advance, wall: Date.now() - 1_000 }
}

test('pictures older than half a second are not fresh', () => {
  const { now, advance, wall } = clock()
  const freshness = createFreshness(now)
  for (let i = 0; i < 200; i++, advance(66)) assert.ok(freshness.isFresh(wall + now() - 20))
  assert.ok(!freshness.isFresh(wall + now() - 600))
  assert.ok(freshness.isFresh(wall + now() - 400))
})

test('setting the clock stops no video for longer than some seconds', () => {
  for (const step of [15 * 3_600_000, -15 * 3_600_000, 2_000, -2_000]) {
    const { now, advance, wall } = clock()
    const freshness = createFreshness(now)
    for (let i = 0; i < 100; i++, advance(66)) freshness.isFresh(wall + now())
    for (let i = 0; i < 160; i++, advance(66)) freshness.isFresh(wall + step + now())
    assert.ok(freshness.isFresh(wall + step + now()), `${step}`)
    assert.ok(!freshness.isFresh(wall + step + now() - 600), `${step}`)
  }
})

test('RTP timestamps are kept as they are, over the wrap too', () => {
  const timeline = createTimeline()
  for (let i = 0; i < 5; i++) {
    const rtp = (2 ** 32 - 12_000 + i * 6_000) >>> 0
    assert.equal(timeline.place(rtp, 1e12 + i * 66.667), rtp)
  }
})

test('a source that starts anew goes on where the old one was', () => {
  const timeline = createTimeline()
  assert.equal(timeline.place(900_000, 10_000), 900_000)
  assert.equal(timeline.place(5, 10_500), 900_000 + 45_000)
  assert.equal(timeline.place(6_005, 10_567), 900_000 + 51_000)
  // away for an hour: a second is enough of a hole
  assert.equal(timeline.place(77, 4_000_000), 900_000 + 51_000 + 90_000)
})

test('a viewer that is not heard is silent, then lost; one that is heard again is back', () => {
  const { now, advance } = clock()
  const liveness = createLiveness({ silence: 3_000, grace: 6_000 }, now)
  assert.equal(liveness.check(1), undefined)
  advance(2_900)
  assert.equal(liveness.check(1), undefined)
  advance(200)
  assert.equal(liveness.check(1), 'silent')
  assert.equal(liveness.check(1), undefined)
  assert.equal(liveness.check(2), 'back')
  advance(3_000)
  assert.equal(liveness.check(2), 'silent')
  advance(6_000)
  assert.equal(liveness.check(2), 'lost')
})
