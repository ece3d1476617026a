import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzz } from './fuzz.ts'

test('200,000 hostile frames end neither the bridge nor its connection, and leak no memory (A15, A19)', async (t) => {
  const { warm, end, lines, seconds } = await fuzz(t, 200_000, 20_000, 1_000_003)
  t.diagnostic(
    `200,000 frames in ${seconds.toFixed(0)} s: ${warm.toFixed(1)} MiB after 20,000, ${end.toFixed(1)} MiB at the end, ${lines} log lines`,
  )
  assert.ok(end - warm <= 20, `${(end - warm).toFixed(1)} MiB more`)
  assert.ok(lines < 2_000, `${lines} log lines`)
})
