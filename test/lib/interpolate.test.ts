import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { ConfigError } from '#lib/config-error.ts'
import { interpolate } from '#lib/interpolate.ts'
import { layerLadder } from '#lib/layer-ladder.ts'
import { createLatencyHistograms } from '#lib/metrics/latency-histogram.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

test('references are replaced, with defaults as in a shell, and $$ is $', () => {
  const env = { A: 'a', EMPTY: '' }
  for (const [text, expected] of [
    ['${A}-${A}', 'a-a'],
    ['$${A} $A $', '${A} $A $'],
    ['${EMPTY:-x}', 'x'],
    ['${NONE:-x}', 'x'],
    ['${NONE:-}', ''],
    ['${A:-x}', 'a'],
    ['${1A}', '${1A}'],
  ] as const)
    assert.equal(interpolate(text, env), expected, text)
  for (const text of ['${NONE}', '${EMPTY}']) assert.throws(() => interpolate(text, env), ConfigError, text)
})

test('a file that a variable names is trimmed, and a value that is set wins', (t) => {
  const path = join(temporaryFolder(t), 'secret')
  writeFileSync(path, '  hush \n')
  assert.equal(interpolate('${S}', { S_FILE: path }), 'hush')
  assert.equal(interpolate('${S:-x}', { S_FILE: path }), 'hush')
  assert.equal(interpolate('${S}', { S: 'own', S_FILE: path }), 'own')
  assert.throws(() => interpolate('${S}', { S_FILE: `${path}x` }), ConfigError)
})

test('ages below zero and above 10 s come from a clock that was set, and do not count', async () => {
  const registry = new Registry()
  const latency = createLatencyHistograms(registry, ['encode', 'bus'])
  for (const age of [-0.1, 10_001]) latency.passed('encode', age)
  assert.equal(latency.summary.encode, null)
  for (const age of [0, 10_000]) latency.passed('encode', age)
  assert.match(await registry.metrics(), /wimz_stage_seconds_sum\{stage="encode"\} 10\n/)
  assert.match(await registry.metrics(), /wimz_stage_seconds_count\{stage="encode"\} 2\n/)
  assert.deepEqual([latency.summary.encode !== null, latency.summary.bus], [true, null])
})

test('the ladder has 720, 540 and 360 lines; a low bitrate lowers the others in proportion', () => {
  const sizes = ({ width, height }: { width: number; height: number }) => `${width}x${height}`
  for (const [bitrate, medium, low] of [
    [1_500_000, 900_000, 400_000],
    [6_000_000, 900_000, 400_000],
    [300_000, 180_000, 80_000],
  ] as const) {
    const ladder = layerLadder(bitrate)
    assert.deepEqual(
      [ladder.high, ladder.medium, ladder.low].map((layer) => [sizes(layer), layer.bitrate]),
      [
        ['1280x720', bitrate],
        ['960x540', medium],
        ['640x360', low],
      ],
    )
  }
})
