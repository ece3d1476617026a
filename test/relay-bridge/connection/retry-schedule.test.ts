import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetrySchedule } from '#services/relay-bridge/connection/retry-schedule.ts'

const ending = (code: number | null, facts: { openFor?: number; usefulFor?: number } = {}) => ({
  code,
  reason: '',
  openFor: 0,
  usefulFor: 0,
  mayBeOpen: true,
  unclean: false,
  unreachable: false,
  ...facts,
})
const longest = () => 0.999_999

test('refused credentials are retried within 30 s, once with the old signature, later only if the relay asks for it', () => {
  const schedule = new RetrySchedule(5_000)
  const retries = [401, 403, 4001, 4000, 403, 403].map((code) => schedule.next(ending(code)))
  assert.deepEqual(
    retries.map(({ oldSignature }) => oldSignature),
    [false, true, false, false, false, false],
  )
  for (const { wait, alarm } of retries) {
    assert.equal(alarm, 'auth_failed')
    assert.ok(wait >= 25_000 && wait <= 30_000, `${wait}`)
  }
  assert.equal(schedule.next({ ...ending(403), retryAfter: 60_000 }).wait, 60_000)
  assert.equal(schedule.next({ ...ending(429), retryAfter: 86_400_000 }).wait, 300_000)
})

test('4001 on a connection that had worked counts as a refusal the third time', () => {
  const schedule = new RetrySchedule(5_000)
  const worked = { openFor: 40_000, usefulFor: 40_000 }
  const alarms = () => [1, 2, 3].map(() => schedule.next(ending(4001, worked)).alarm)
  assert.deepEqual(alarms(), [undefined, undefined, 'auth_failed'])
  schedule.next(ending(1006, worked))
  assert.deepEqual(alarms(), [undefined, undefined, 'auth_failed'])
  assert.equal(schedule.next(ending(4001, { openFor: 50, usefulFor: 20 })).alarm, 'auth_failed')
})

test('a wrong address is distinguished from refused credentials', () => {
  assert.equal(new RetrySchedule(5_000).next(ending(404)).alarm, 'wrong_url')
})

test('waits double up to the cap while the relay is unreachable', () => {
  const schedule = new RetrySchedule(5_000, longest)
  const waits = Array.from({ length: 5 }, () => Math.round(schedule.next(ending(null)).wait))
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 5_000, 5_000])
})

test('after a long outage the cap rises to 30 s', () => {
  const schedule = new RetrySchedule(5_000, longest)
  const waits = Array.from({ length: 40 }, () => schedule.next(ending(1006)).wait)
  assert.ok(Math.max(...waits) > 29_000)
  assert.ok(Math.max(...waits) <= 30_000)
})

test('only a connection that was useful for 30 s resets the backoff', () => {
  const schedule = new RetrySchedule(5_000, longest)
  for (let i = 0; i < 4; i++) schedule.next(ending(1006))
  assert.ok(schedule.next(ending(1006, { openFor: 29_000, usefulFor: 29_000 })).wait > 4_000)
  assert.ok(schedule.next(ending(1006, { openFor: 31_000, usefulFor: 31_000 })).wait <= 1_000)
})

test('three quick normal closes mean a duplicate identity (P21)', () => {
  const schedule = new RetrySchedule(5_000)
  const close = ending(1000, { openFor: 2_000, usefulFor: 2_000 })
  assert.equal(schedule.next(close).alarm, undefined)
  assert.equal(schedule.next(close).alarm, undefined)
  const third = schedule.next(close)
  assert.equal(third.alarm, 'duplicate_device_id')
  assert.ok(third.wait >= 30_000 && third.wait <= 60_000)
})

test('a relay that restarts is dialed within 2 s', () => {
  for (const code of [1001, 1012]) {
    const { wait } = new RetrySchedule(5_000).next(ending(code, { openFor: 90_000, usefulFor: 90_000 }))
    assert.ok(wait >= 500 && wait <= 2_000)
  }
})

test('the waits of each reaction begin and end where they should', () => {
  for (const [code, least, most] of [
    [1001, 500, 2_000],
    [4000, 25_000, 30_000],
    [4002, 0, 1_000],
    [4003, 30_000, 60_000],
    [403, 25_000, 30_000],
    [404, 25_000, 30_000],
  ] as const) {
    const waits = [0, 1].map((random) => new RetrySchedule(5_000, () => random).next(ending(code)).wait)
    assert.deepEqual(waits, [least, most], `${code}`)
  }
  const quick = ending(1000, { usefulFor: 1 })
  const [shortest, longestWait] = [0, 1].map((random) => {
    const schedule = new RetrySchedule(5_000, () => random)
    return [1, 2, 3].map(() => schedule.next(quick)).at(-1)?.wait
  })
  assert.deepEqual([shortest, longestWait], [30_000, 60_000])
  const lost = (random: number) => {
    const schedule = new RetrySchedule(5_000, () => random)
    return Array.from({ length: 32 }, () => schedule.next(ending(1006)).wait)
  }
  assert.deepEqual([lost(0)[0], lost(0)[30]], [50, 1_000])
  assert.deepEqual([lost(0.1)[29], lost(1)[29], lost(1)[30], lost(1)[31]], [500, 5_000, 15_000, 30_000])
})

test('a different disconnect between quick closes, or a connection that works, clears the suspicion', () => {
  const schedule = new RetrySchedule(5_000)
  const quick = ending(1000, { usefulFor: 1 })
  schedule.next(quick)
  schedule.next(quick)
  schedule.next(ending(1006, { usefulFor: 1 }))
  assert.equal(schedule.next(quick).alarm, undefined)
  const signatures = [ending(403), ending(1006, { usefulFor: 1 }), ending(403), ending(403)]
  assert.deepEqual(
    signatures.map((one) => schedule.next(one).oldSignature),
    [false, false, false, true],
  )
})
