import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzz } from './fuzz.ts'

test('2,000 hostile frames end neither the bridge nor its connection (A15, A19)', async (t) => {
  const { lines } = await fuzz(t, { frames: 2_000, seed: 1 })
  assert.ok(lines < 300, `${lines} log lines`)
})
