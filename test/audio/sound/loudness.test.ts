import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LevelMeter } from '#services/audio/sound/level-meter.ts'
import { Loudness } from '#services/audio/sound/loudness.ts'

const CEILING = 32_768 * 10 ** (-1 / 20)

/** Blocks of a 440 Hz tone of this amplitude, processed. */
function process(loudness: Loudness, amplitude: number, blocks: number, muted = false): Int16Array[] {
  return Array.from({ length: blocks }, (_, n) => {
    const block = Int16Array.from({ length: 960 }, (__, i) =>
      Math.round(amplitude * Math.sin((2 * Math.PI * 440 * (n * 960 + i)) / 48_000)),
    )
    loudness.apply(block, { muted })
    return block
  })
}

const peak = (block: Int16Array | undefined) => Math.max(...(block ?? []).map(Math.abs))

test('a gain of 10 makes ten times as loud', () => {
  const blocks = process(new Loudness({ gain: 10, gate: null }), 1_000, 3)
  assert.ok(Math.abs(peak(blocks[2]) - 10_000) < 60, String(peak(blocks[2])))
})

test('no gain changes nothing', () => {
  const blocks = process(new Loudness({ gain: 1, gate: null }), 12_345, 2)
  assert.deepEqual(blocks, process(new Loudness({ gain: 1, gate: null }), 12_345, 2))
  assert.equal(peak(blocks[1]), 12_345)
})

test('no sample of a loud or sudden sound exceeds -1 dBFS, and the quiet one after it is back within half a second', () => {
  const loudness = new Loudness({ gain: 20, gate: null })
  for (const amplitude of [100, 32_000, 5_000, 32_767, 10]) {
    for (const block of process(loudness, amplitude, 4)) assert.ok(peak(block) <= CEILING + 1)
  }
  const after = process(loudness, 500, 25)
  assert.ok(Math.abs(peak(after.at(-1)) - 10_000) < 60, String(peak(after.at(-1))))
})

test('what is below the gate is silence, what is above passes, and a pause of a quarter of a second keeps it open', () => {
  const loudness = new Loudness({ gain: 1, gate: -40 })
  assert.equal(peak(process(loudness, 50, 20).at(-1)), 0)
  assert.equal(peak(process(loudness, 5_000, 3).at(-1)), 5_000)
  assert.equal(peak(process(loudness, 50, 12).at(-1)), 50)
  assert.equal(peak(process(loudness, 50, 8).at(-1)), 0)
})

test('muting fades within a block, so that it does not click', () => {
  const loudness = new Loudness({ gain: 1, gate: null })
  process(loudness, 20_000, 2)
  const [fading, silent] = process(loudness, 20_000, 2, true)
  assert.ok(peak(fading) > 10_000)
  const steps = Array.from(fading?.subarray(1) ?? [], (sample, i) => Math.abs(sample - (fading?.[i] ?? 0)))
  assert.ok(Math.max(...steps) < 2_000, 'no step larger than those of the tone')
  assert.equal(peak(silent), 0)
})

test('the level is measured four times a second, in dBFS', () => {
  const levels: { rms_dbfs: number; peak_dbfs: number }[] = []
  const meter = new LevelMeter((level) => levels.push(level))
  for (const block of process(new Loudness({ gain: 1, gate: null }), 16_384, 50)) meter.add(block)
  assert.equal(levels.length, 3)
  assert.deepEqual(levels[0], { rms_dbfs: -9, peak_dbfs: -6 })
  for (let i = 0; i < 24; i++) meter.add(new Int16Array(960))
  assert.deepEqual(levels.at(-1), { rms_dbfs: -96, peak_dbfs: -96 })
})
