import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '#lib/logger.ts'
import { RelayClock } from '#services/relay-bridge/connection/relay-clock.ts'

const HOUR = 3_600_000
const log = createLogger('test', { write() {} })

test('the relay’s time counts, whatever the own clock says, and a wrong clock alone refuses nothing (B03, B08)', () => {
  let own = { now: Date.now() - 15 * HOUR, synchronized: false }
  const clock = new RelayClock(log, () => own)
  assert.equal(clock.age(Date.now()), undefined)
  own = { now: Date.now(), synchronized: true }
  assert.ok(Math.abs(clock.age(Date.now() - 10_000)?.ms ?? 0) - 10_000 < 1_000)
  clock.setFromDate(new Date(Date.now() + 15 * HOUR).toUTCString())
  own = { now: 0, synchronized: false }
  const age = clock.age(Date.now() + 15 * HOUR - 10_000)
  assert.equal(age?.byRelay, true)
  assert.ok(Math.abs((age?.ms ?? 0) - 10_000) < 2_000, `${age?.ms}`)
  clock.setFromDate('yesterday')
  clock.setFromDate(new Date(Date.now() + 99 * HOUR).toUTCString(), 3_000)
  const slow = clock.age(Date.now())?.error ?? 0
  assert.ok(slow >= 2_000 && slow < 2_100, `a slow answer is not exact: ${slow}`)
  assert.equal(clock.age(Date.now())?.byRelay, true)
})
