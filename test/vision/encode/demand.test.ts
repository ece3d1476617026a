import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DemandTable } from '#services/vision/encode/demand.ts'

const NOW = 1_800_000_000_000
const MINUTE = 60_000
const demand = (bitrate: number, until?: number) => ({
  codec: 'h264' as const,
  layers: { high: { bitrate } },
  ...(until !== undefined && { until }),
})

test('a demand counts while its service is online', () => {
  const table = new DemandTable()
  table.set('webrtc', demand(1_000_000))
  assert.deepStrictEqual(table.wanted(NOW).h264, {})
  table.setOnline('webrtc', true)
  assert.deepStrictEqual(table.wanted(NOW).h264, { high: 1_000_000 })
  table.setOnline('webrtc', false)
  assert.deepStrictEqual(table.wanted(NOW).h264, {})
})

test('a demand with `until` counts until then, at most ten minutes, without an online service', () => {
  const table = new DemandTable()
  table.set('debug', demand(500_000, NOW + MINUTE))
  assert.deepStrictEqual(table.wanted(NOW).h264, { high: 500_000 })
  assert.strictEqual(table.nextEnd(NOW), NOW + MINUTE)
  assert.deepStrictEqual(table.wanted(NOW + MINUTE).h264, {})
  table.set('debug', demand(500_000, NOW + 11 * MINUTE))
  assert.deepStrictEqual(table.wanted(NOW).h264, {})
})

test('a withdrawn demand no longer counts', () => {
  const table = new DemandTable()
  table.set('debug', demand(500_000, NOW + MINUTE))
  table.set('debug', null)
  assert.deepStrictEqual(table.wanted(NOW).h264, {})
})

test('a demand for VP8 is not served with H.264', () => {
  const table = new DemandTable()
  table.set('debug', { ...demand(500_000, NOW + MINUTE), codec: 'vp8' })
  assert.deepStrictEqual(table.wanted(NOW).h264, {})
})

test('each layer has the highest bitrate in demand', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5_000_000 }), { minLength: 1 }), (bitrates) => {
      const table = new DemandTable()
      for (const [i, bitrate] of bitrates.entries()) table.set(`who${i}`, demand(bitrate, NOW + MINUTE))
      assert.deepStrictEqual(table.wanted(NOW).h264, { high: Math.max(...bitrates) })
    }),
  )
})
