import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tablesIn } from '#bench/report/figures.ts'
import { targetsTable } from '#bench/report/targets-table.ts'
import { result } from './result.ts'

test('what was measured stands beside before and target, what was not is left out', () => {
  const encoder = result(
    'off, no viewer\n  vision     3.0 %   MainThread 2\noff, one layer of 720p\n  vision    18.0 %   x 3\n  ffmpeg    15.0 %   x 2',
  )
  const overload = result(
    '| | frames/s | least | gap p99 | longest gap |\n|---|---|---|---|---|\n| 32 competing processes | 15.0 | 13 | 149 ms | 173 ms |',
  )
  const [table] = tablesIn(targetsTable({ encoder, overload }) ?? '')
  assert.deepEqual(
    table?.rows.map(([, , now]) => now),
    ['3.0 %', '18.0 %', '15.0 %', '1.20', '15.0 frames/s, 13 in the worst second, longest gap 173 ms'],
  )
  assert.equal(targetsTable({}), undefined)
})

test('figures of the browser are taken as printed, without their count', () => {
  const video = result(
    '| what | figure |\n|---|---|\n| glass to glass, 720p15 | p50 20 ms, p95 30 ms (341 frames) |',
  )
  const [table] = tablesIn(targetsTable({ video }) ?? '')
  assert.deepEqual(
    table?.rows.map(([, , now]) => now),
    ['p50 20 ms, p95 30 ms'],
  )
})
