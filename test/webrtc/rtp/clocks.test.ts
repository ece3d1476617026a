import assert from 'node:assert/strict'
import test from 'node:test'
import { MaxAgeFilter } from '#services/webrtc/rtp/max-age-filter.ts'
import { TimestampRebaser } from '#services/webrtc/rtp/timestamp-rebaser.ts'
import { createLiveness } from '#services/webrtc/session/liveness.ts'

function clock() {
  let now = 1_000
  const advance = (ms: number) => {
    now += ms
  }
  return { now: () => now, advance, wall: Date.now() - 1_000 }
}

test('frames older than half a second are rejected', () => {
  const { now, advance, wall } = clock()
  const filter = new MaxAgeFilter({ now })
  for (let i = 0; i < 200; i++, advance(66)) assert.ok(filter.accepts(wall + now() - 20))
  assert.ok(!filter.accepts(wall + now() - 600))
  assert.ok(filter.accepts(wall + now() - 400))
})

test('on an overloaded machine frames that are 2 s late are accepted, since the next are as late', () => {
  const { now, advance, wall } = clock()
  let isStarved = false
  const filter = new MaxAgeFilter({ now, isStarved: () => isStarved })
  for (let i = 0; i < 200; i++, advance(66)) filter.accepts(wall + now() - 20)
  assert.ok(!filter.accepts(wall + now() - 1_900))
  isStarved = true
  assert.ok(filter.accepts(wall + now() - 1_900))
  assert.ok(!filter.accepts(wall + now() - 2_100))
})

test('setting the clock interrupts the video for a few seconds at most', () => {
  for (const step of [15 * 3_600_000, -15 * 3_600_000, 2_000, -2_000]) {
    const { now, advance, wall } = clock()
    const filter = new MaxAgeFilter({ now })
    for (let i = 0; i < 100; i++, advance(66)) filter.accepts(wall + now())
    for (let i = 0; i < 160; i++, advance(66)) filter.accepts(wall + step + now())
    assert.ok(filter.accepts(wall + step + now()), `${step}`)
    assert.ok(!filter.accepts(wall + step + now() - 600), `${step}`)
  }
})

test('RTP timestamps stay unchanged, also when they wrap', () => {
  const timestamps = new TimestampRebaser()
  for (let i = 0; i < 5; i++) {
    const rtp = (2 ** 32 - 12_000 + i * 6_000) >>> 0
    assert.equal(timestamps.rebase(rtp, 1e12 + i * 66.667), rtp)
  }
})

test('a restarted source continues where the old one was', () => {
  const timestamps = new TimestampRebaser()
  assert.equal(timestamps.rebase(900_000, 10_000), 900_000)
  assert.equal(timestamps.rebase(5, 10_500), 900_000 + 45_000)
  assert.equal(timestamps.rebase(6_005, 10_567), 900_000 + 51_000)
  // away for an hour: a second is enough of a hole
  assert.equal(timestamps.rebase(77, 4_000_000), 900_000 + 51_000 + 90_000)
})

test('a viewer without packets is silent, then lost; with packets again it is back', () => {
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
