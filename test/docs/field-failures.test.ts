import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'
import { testsByCode } from '../../docs/generators/field-failures-page.ts'

const PAGE = readFileSync(join(PROJECT_ROOT, 'docs/field-failures.md'), 'utf8')
const ROWS = [...PAGE.matchAll(/^\| ([A-Z]\d{1,2}) \| .* \| (.*) \|$/gm)].map(
  ([, code = '', tests = '']) => ({
    code,
    tests,
  }),
)

test('each code in the name of a test has one row in docs/field-failures.md', () => {
  const codes = ROWS.map(({ code }) => code)
  assert.deepEqual(
    [...testsByCode().keys()].filter((code) => codes.filter((one) => one === code).length !== 1),
    [],
  )
  assert.equal(new Set(codes).size, codes.length)
})

test('docs/field-failures.md names a test for most rows, and no more rows without one than today', () => {
  const untested = ROWS.filter(({ tests }) => tests === '–').map(({ code }) => code)
  assert.ok(ROWS.length >= 150, `${ROWS.length} rows`)
  assert.ok(untested.length <= 42, `without a test: ${untested.join(' ')}`)
})
