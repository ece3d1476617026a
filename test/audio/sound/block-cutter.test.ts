import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockCutter } from '#services/audio/sound/block-cutter.ts'

function cutter(now = () => 0) {
  const blocks: { first: number; at: number }[] = []
  const dropped: [cause: string, ms: number][] = []
  const one = new BlockCutter({
    onBlock: (block, at) => blocks.push({ first: block[0] ?? -1, at }),
    onDropped: (cause, ms) => dropped.push([cause, ms]),
    now,
  })
  return { one, blocks, dropped }
}

const ramp = (from: number, length: number) => Int16Array.from({ length }, (_, i) => from + i)

test('chunks of any size become blocks of 20 ms with the times of their first samples', () => {
  const { one, blocks, dropped } = cutter()
  let at = 0
  for (const length of [100, 959, 1, 1_900, 880, 960]) {
    one.add(ramp(at, length), 1_000 + at / 48)
    at += length
  }
  assert.deepEqual(
    blocks,
    [0, 960, 1_920, 2_880, 3_840].map((first) => ({ first, at: 1_000 + first / 48 })),
  )
  assert.deepEqual(dropped, [])
})

test('after a gap a new block begins', () => {
  const { one, blocks, dropped } = cutter()
  one.add(ramp(0, 480), 0)
  one.add(ramp(500, 960), 100)
  assert.deepEqual(blocks, [{ first: 500, at: 100 }])
  assert.deepEqual(dropped, [['gap', 10]])
})

test('samples that have waited for more than 200 ms are dropped, the newest are kept', () => {
  const { one, blocks, dropped } = cutter(() => 1_000)
  one.add(ramp(0, 48_000), 0)
  assert.equal(blocks.length, 11)
  assert.equal(blocks.at(-1)?.at, 980)
  assert.equal(dropped.length, 39)
  assert.ok(dropped.every(([cause, ms]) => cause === 'too late' && ms === 20))
})
