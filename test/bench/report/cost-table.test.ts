import assert from 'node:assert/strict'
import { test } from 'node:test'
import { costTable, slopeOf } from '#bench/report/cost-table.ts'
import { tablesIn } from '#bench/report/figures.ts'
import type { ViewersRow } from '#bench/viewers/row.ts'

const row = (server: string, viewers: number, cpu: number): ViewersRow => ({
  server,
  viewers,
  cpu,
  perProcess: {},
  rssMiB: 256.4,
  fps: { min: 15, mean: 15 },
  mbits: 1.5,
  gapP99: 80,
  jitterP99: 24,
  lost: 0,
  load: 1,
})

test('each server has a line of before, and one of now if it was measured', () => {
  const [table] = tablesIn(costTable([row('ours', 1, 8), row('ours', 16, 23), row('ours', 64, 63)]))
  const at = table?.rows.findIndex(([name]) => name === '**this stack**') ?? -1
  assert.deepEqual(table?.rows[at], [
    '**this stack**',
    'before',
    '13.9 %',
    '25.3 %',
    '64.8 %',
    '97.7 %',
    '–',
    '3.39 %',
    '542 MiB',
    '66 ms',
  ])
  assert.deepEqual(table?.rows[at + 1], [
    '',
    'now',
    '8.0 %',
    '–',
    '23.0 %',
    '–',
    '63.0 %',
    '1.00 %',
    '256 MiB',
    '24 ms',
  ])
  assert.equal(table?.rows.filter(([, when]) => when === 'now').length, 1)
})

test('the slope needs both ends', () => {
  assert.equal(slopeOf({ 1: 1, 4: 4 }, 1, 4), 1)
  assert.equal(slopeOf({ 1: 1, 4: 4 }, 1, 16), undefined)
})
