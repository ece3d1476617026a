import type { Result } from '#bench/report/result.ts'

/** A benchmark that ended well and printed this. */
export const result = (output: string): Result => ({
  name: 'x',
  title: 'x',
  command: 'x',
  machine: 'x',
  commit: 'x',
  at: 'x',
  load: { before: 0, after: 0, foreignPercent: 0 },
  isForeign: false,
  seconds: 1,
  exitCode: 0,
  output,
})
