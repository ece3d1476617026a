import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PercentileWindow, percentilesOf } from '#lib/metrics/percentile-window.ts'

test('median and 95th percentile are exact to a tenth', () => {
  const values = Array.from({ length: 100 }, (_, i) => (i + 1) / 10)
  assert.deepEqual(percentilesOf(values), { p50: 5, p95: 9.5 })
  assert.equal(percentilesOf([]), null)
})

test('the window forgets: after 300 newer values nothing is left of the old ones', () => {
  const window = new PercentileWindow()
  assert.equal(window.percentiles(), null)
  for (let i = 0; i < 300; i++) window.add(100)
  assert.deepEqual(window.percentiles(), { p50: 100, p95: 100 })
  for (let i = 0; i < 149; i++) window.add(20)
  assert.equal(window.percentiles()?.p95, 100)
  for (let i = 0; i < 151; i++) window.add(20)
  assert.deepEqual(window.percentiles(), { p50: 20, p95: 20 })
})
