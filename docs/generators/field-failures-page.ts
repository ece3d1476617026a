import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

const ROOT = new URL('../../', import.meta.url)
const ROW = /^(\| ([A-Z]\d{1,2}) \|.*\|)[^|]*\|$/gm
/** `(B04)` or `(A15, A19)` in the name of a test. */
const CODES = /\(([A-Z]\d{1,2}(?:, [A-Z]\d{1,2})*)\)/g

/** The test files that carry each code, from the project's folder. */
export function testsByCode(): Map<string, string[]> {
  const tests = new Map<string, string[]>()
  for (const path of globSync('test/**/*.{test,nightly}.ts', { cwd: ROOT }).toSorted()) {
    for (const code of codesIn(readFileSync(new URL(path, ROOT), 'utf8'))) {
      tests.set(code, [...(tests.get(code) ?? []), path])
    }
  }
  return tests
}

function codesIn(text: string): Set<string> {
  return new Set([...text.matchAll(CODES)].flatMap(([, codes = '']) => codes.split(', ')))
}

/** The text of `docs/field-failures.md`: the rows as they are, the last column from the names of the tests. */
export function fieldFailuresPage(): string {
  const tests = testsByCode()
  const page = readFileSync(new URL('docs/field-failures.md', ROOT), 'utf8')
  return page.replace(ROW, (_, row: string, code: string) => {
    const links = (tests.get(code) ?? []).map(
      (path) => `[${basename(path).replace(/(\.test)?\.ts$/, '')}](../${path})`,
    )
    return `${row} ${links.join(', ') || '–'} |`
  })
}
