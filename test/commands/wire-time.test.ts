import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wireTime } from '#commands/wire-time.ts'

test('a time is seconds below 1e11, milliseconds from there on, as a number or as text, or an ISO date', () => {
  for (const [given, expected] of [
    [1_769_500_000, 1_769_500_000_000],
    [1_769_500_000_123, 1_769_500_000_123],
    [99_999_999_999, 99_999_999_999_000],
    [100_000_000_000, 100_000_000_000],
    [-1, -1_000],
    [0, 0],
    ['1769500000.5', 1_769_500_000_500],
    [' 1769500000123 ', 1_769_500_000_123],
    ['2026-01-27T07:46:40Z', 1_769_500_000_000],
    ['2026-01-27T07:46:40.250+00:00', 1_769_500_000_250],
  ] as const)
    assert.equal(wireTime(given), expected, String(given))
  for (const nothing of [
    '',
    '  ',
    'now',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '1e999',
    null,
    undefined,
    {},
    true,
  ])
    assert.equal(wireTime(nothing), undefined, String(nothing))
})
