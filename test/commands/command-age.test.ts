import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyStale } from '#commands/command-age.ts'

const HOUR = 3_600_000
const at = (ms: number, byRelay = false) => ({ age: () => ({ ms, byRelay }) })

test('old commands and those from the future are refused, by what they move (A09, A16, B10)', () => {
  assert.equal(whyStale('led', 1, at(29_000)), undefined)
  assert.match(whyStale('led', 1, at(31_000)) ?? '', /too old/)
  assert.match(whyStale('dispense_treat', 1, at(5_100)) ?? '', /too old/)
  assert.equal(whyStale('drive', 1, at(1_500)), undefined)
  assert.match(
    whyStale('drive', 1, at(1_500, true)) ?? '',
    /too old/,
    'tighter when the relay tells the time',
  )
  const unsure = { age: () => ({ ms: 1_500, byRelay: true, error: 600 }) }
  assert.equal(whyStale('drive', 1, unsure), undefined, 'the clock may be wrong')
  assert.match(whyStale('led', 1, at(-6_000)) ?? '', /future/)
  assert.equal(whyStale('led', undefined, at(HOUR)), undefined, 'no time, no age')
  assert.equal(whyStale('led', 1, { age: () => undefined }), undefined, 'the time is unknown')
})

test('refusals of one kind are acknowledged and counted as one, whatever their ages', () => {
  const kinds = [6_000, 7_300, 86_400_000].map((ms) => whyStale('drive', 1, at(-ms))?.split(':')[0])
  assert.deepEqual(kinds, Array(3).fill('from the future'))
})

test('the oldest and the most future command that is carried out, by what it moves', () => {
  const accepts = (name: string, ms: number, more: { byRelay?: boolean; error?: number } = {}) =>
    whyStale(name, 1, { age: () => ({ ms, byRelay: false, ...more }) }) === undefined
  for (const [name, limit, byRelay] of [
    ['led', 30_000, false],
    ['led', 30_000, true],
    ['treat', 5_000, false],
    ['dispense_treat', 5_000, true],
    ['carousel_rotate', 5_000, false],
    ['servo', 5_000, false],
    ['motor', 5_000, false],
    ['drive', 1_000, true],
    ['motor_command', 1_000, true],
  ] as const) {
    assert.deepEqual(
      [accepts(name, limit, { byRelay }), accepts(name, limit + 1, { byRelay })],
      [true, false],
      name,
    )
    const unsure = { byRelay, error: 700 }
    assert.deepEqual(
      [accepts(name, limit + 700, unsure), accepts(name, limit + 701, unsure)],
      [true, false],
      name,
    )
  }
  assert.deepEqual([accepts('led', -5_000), accepts('led', -5_001)], [true, false])
  assert.deepEqual(
    [accepts('led', -5_700, { error: 700 }), accepts('led', -5_701, { error: 700 })],
    [true, false],
  )
  assert.equal(whyStale('led', 1, at(31_500)), 'too old: sent 31.5 s ago, 30.0 s is the limit')
})
