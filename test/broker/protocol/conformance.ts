import { globSync } from 'node:fs'

/** The normative statements of a version of MQTT (its appendix B), such as `3.1.2-4`, and what this broker has for each. */
export interface Conformance {
  version: string
  statements: readonly string[]
  /** Statements without a test of this broker, and the reason. */
  outOfScope: Readonly<Record<string, string>>
  /** The statements that a test file names. */
  testedIn(path: string): string[]
}

/** The test files of each statement that has one. */
export function testsByStatement({ testedIn }: Conformance): Map<string, string[]> {
  const tests = new Map<string, string[]>()
  for (const path of globSync('test/broker/**/*.test.ts').toSorted()) {
    for (const id of new Set(testedIn(path))) tests.set(id, [...(tests.get(id) ?? []), path])
  }
  return tests
}
