import assert from 'node:assert/strict'
import { globSync } from 'node:fs'

/** Each of `all` statements is tested in a file of the broker, by `testedIn`, or in `outOfScope` with a reason; none is in both. */
export function assertCovered(
  all: readonly string[],
  testedIn: (path: string) => string[],
  outOfScope: Readonly<Record<string, string>>,
): void {
  const tested = new Set(globSync('test/broker/**/*.test.ts').flatMap(testedIn))
  const without = all.filter((id) => !tested.has(id) && !(id in outOfScope))
  assert.deepEqual(without, [])
  const both = Object.keys(outOfScope).filter((id) => tested.has(id))
  assert.deepEqual(both, [], 'out of scope, and tested')
  const unknown = [...tested, ...Object.keys(outOfScope)].filter((id) => !all.includes(id))
  assert.deepEqual(unknown, [], 'not in appendix B')
}
