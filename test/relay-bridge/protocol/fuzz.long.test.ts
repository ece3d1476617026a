import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rounds } from '#test/helpers/volume.ts'
import { fuzz } from './fuzz.ts'

const FRAMES = rounds({ merge: 60_000, night: 400_000 })

test(`${FRAMES} hostile frames end neither the bridge nor its connection, and leak no memory (A15, A19)`, async (t) => {
  const { warm, end, lines, seconds } = await fuzz(t, { frames: FRAMES, warmUp: 20_000, seed: 1_000_003 })
  t.diagnostic(
    `${FRAMES} frames in ${seconds.toFixed(0)} s: ${warm.toFixed(1)} MiB after 20,000, ${end.toFixed(1)} MiB at the end, ${lines} log lines`,
  )
  assert.ok(end - warm <= 20, `${(end - warm).toFixed(1)} MiB more`)
  assert.ok(lines < 2_000, `${lines} log lines`)
})
