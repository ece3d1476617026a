import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SchedulingDelay } from '#lib/process/scheduling-delay.ts'

function machine() {
  const at = { now: 0, waited: 0 }
  const delay = new SchedulingDelay(
    () => at.waited,
    () => at.now,
  )
  /** `waited` ms of `ms` in the queues of the scheduler. */
  const pass = (ms: number, waited = 0) => {
    at.now += ms
    at.waited += waited
    return delay.worst
  }
  return { delay, pass }
}

test('the worst wait of the last second counts, not their sum', () => {
  const { pass } = machine()
  pass(66)
  assert.equal(pass(66, 12), 12)
  assert.equal(pass(66, 9), 12)
  for (let i = 0; i < 15; i++) pass(66)
  assert.equal(pass(66), 0)
})

test('a wait that is longer than a time slice counts as overload for two seconds', () => {
  const { delay, pass } = machine()
  pass(66)
  pass(66, 30)
  assert.ok(!delay.isStarved)
  pass(66, 31)
  assert.ok(delay.isStarved)
  pass(1_990)
  assert.ok(delay.isStarved)
  pass(66)
  assert.ok(!delay.isStarved)
})

test('waits that add up over an idle hour are not overload', () => {
  const { delay, pass } = machine()
  pass(66)
  assert.equal(pass(3_600_000, 5_000), 0)
  assert.ok(!delay.isStarved)
  assert.equal(pass(66, 40), 40)
})

test('readings are at least 60 ms apart', () => {
  const { pass } = machine()
  pass(66)
  assert.equal(pass(30, 20), 0)
  assert.equal(pass(30, 20), 40)
})
