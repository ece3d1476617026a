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
