import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { generatedPages } from '../docs/generators/generated-pages.ts'

for (const [path, text] of generatedPages()) {
  const skip =
    path === 'THIRD_PARTY_NOTICES.md' && process.arch !== 'x64' && 'FFmpeg describes itself otherwise here'
  test(`${path} is fresh (if not: npm run docs)`, { skip }, () => {
    assert.equal(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'), text)
  })
}
