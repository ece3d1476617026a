import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numberIn, tablesIn } from '#bench/report/figures.ts'

test('tables are read from Markdown, each on its own', () => {
  const text = 'before\n\n| a | b |\n|---|---:|\n| 1 | 2 % |\n\nbetween\n| c |\n|---|\n'
  assert.deepEqual(tablesIn(text), [
    { columns: ['a', 'b'], rows: [['1', '2 %']] },
    { columns: ['c'], rows: [] },
  ])
  assert.deepEqual(tablesIn('no table'), [])
})

test('the first number of a text', () => {
  assert.equal(numberIn('p50 12.5 ms'), 50)
  assert.equal(numberIn('12.5 %'), 12.5)
  assert.ok(Number.isNaN(numberIn('none')) && Number.isNaN(numberIn(undefined)))
})
