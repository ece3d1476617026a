import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { topicsPage } from '../docs/topics-page.ts'

test('docs/topics.md is fresh (if not: npm run docs)', () => {
  assert.equal(readFileSync(new URL('../docs/topics.md', import.meta.url), 'utf8'), topicsPage())
})
