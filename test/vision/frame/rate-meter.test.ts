import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toEpoch, toRtpTimestamp } from '#lib/media/wall-clock.ts'
import { LatestFrame } from '#services/vision/frame/latest-frame.ts'
import { createRateMeter } from '#services/vision/frame/rate-meter.ts'
import { fakeClock, fakeNow } from '#test/helpers/fake-clock.ts'

test('the rate is that of the last 5 s, over one second at least', (t) => {
  const clock = fakeClock(t)
  const meter = createRateMeter()
  assert.deepEqual(meter.read(), { rate: 0, bytes: 0 })
  meter.count(100)
  assert.deepEqual(meter.read(), { rate: 1, bytes: 100 })
  for (let i = 0; i < 99; i++) {
    clock.advance(100)
    meter.count(100)
  }
  clock.advance(100)
  assert.deepEqual(meter.read(), { rate: 9.8, bytes: 980 }, 'the one of 5 s ago is out')
  clock.advance(2_500)
  assert.equal(meter.read().rate, 4.8)
  clock.advance(5_000)
  assert.deepEqual(meter.read(), { rate: 0, bytes: 0 })
})

test('after a pause the rate starts again', (t) => {
  const clock = fakeClock(t)
  const meter = createRateMeter()
  for (let i = 0; i < 10; i++) meter.count()
  clock.stall(60_000)
  meter.count()
  clock.stall(2_000)
  meter.count()
  assert.equal(meter.read().rate, 1)
})

test('1 000 events are kept, in memory as well', (t) => {
  fakeClock(t)
  const meter = createRateMeter()
  for (let i = 0; i < 5_000; i++) meter.count()
  assert.equal(meter.read().rate, 1_000)
})

test('a time since the start becomes one since the epoch, also after the clock was set', (t) => {
  const start = Date.now()
  t.mock.timers.enable({ apis: ['Date'], now: start })
  let now = 1_000
  fakeNow(t, () => now)
  const first = toEpoch(900)
  assert.equal(first, start - 100)
  // the granularity of the clock is no step
  t.mock.timers.setTime(start + 20)
  assert.equal(toEpoch(900), first)
  t.mock.timers.setTime(start + 3_600_000)
  assert.equal(toEpoch(900), first + 3_600_000)
  now += 500
  t.mock.timers.setTime(start + 3_600_500)
  assert.equal(toEpoch(1_400), first + 3_600_500)
})

test('RTP timestamps have 90 ticks for each millisecond, and 32 bits', () => {
  const first = toRtpTimestamp(1_000)
  assert.equal((toRtpTimestamp(1_100) - first) >>> 0, 9_000)
  const day = 24 * 3_600_000
  for (let at = 0; at < 3 * day; at += day / 8) {
    const timestamp = toRtpTimestamp(at)
    assert.ok(Number.isInteger(timestamp) && timestamp >= 0 && timestamp < 2 ** 32)
  }
})

test('the latest frame is given out while it is recent enough, and a new one is awaited', async (t) => {
  const clock = fakeClock(t)
  const alive = new Set<string>()
  const frame = (name: string): never =>
    ({
      at: performance.now(),
      name,
      share: () => {
        alive.add(name)
        return frame(name)
      },
      [Symbol.dispose]: () => void alive.delete(name),
    }) as never
  const latest = new LatestFrame()
  const nameOf = (held: unknown) => (held as { name: string } | undefined)?.name
  assert.equal(latest.get(1e9), undefined)
  latest.offer(frame('a'))
  assert.equal(nameOf(latest.get(0)), 'a')
  latest.offer(frame('b'))
  assert.deepEqual([...alive], ['b'], 'the one before is released')
  const waiting = latest.wait(-1, 1_000)
  clock.advance(999)
  const late = latest.wait(-1, 0)
  assert.equal(await late, undefined)
  clock.advance(1)
  assert.equal(await waiting, undefined)
  const next = latest.wait(1_000, 1_000)
  assert.equal(nameOf(await next), 'b')
  latest[Symbol.dispose]()
  assert.deepEqual([...alive], [])
  latest.offer(frame('c'))
  assert.deepEqual([latest.get(1e9), [...alive]], [undefined, []])
  assert.equal(await latest.wait(1e9, 1e9), undefined)
})
