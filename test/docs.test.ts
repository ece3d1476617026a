import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { generatedPages } from '../docs/generated-pages.ts'

for (const [path, text] of generatedPages()) {
  test(`${path} is fresh (if not: npm run docs)`, () => {
    assert.equal(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'), text)
  })
}
