import type { Logger } from '../logger.ts'

/** Counts mishaps of a hot path and logs the sums now and then, instead of a line for each. */
export interface EventCounter extends Disposable {
  count(key: string, n?: number): void
  /** Sums since the start, by key. */
  readonly totals: Readonly<Record<string, number>>
}

/** Different keys, at most; what a stranger makes up beyond that counts as `other`. */
const MAX_KEYS = 100

/** A tally that logs `message` with the sums of the last interval, only if there are any. `every` in milliseconds. */
export function createEventCounter(
  log: Logger,
  message: string,
  { every = 60_000, level = 'warn' as 'warn' | 'info' } = {},
): EventCounter {
  const totals: Record<string, number> = {}
  let keys = 0
  let recent: Record<string, number> = {}
  const report = () => {
    if (Object.keys(recent).length === 0) return
    log[level](recent, message)
    recent = {}
  }
  const timer = setInterval(report, every)
  timer.unref()
  return {
    totals,
    count(key, n = 1) {
      const isNew = !Object.hasOwn(totals, key)
      const name = isNew && (keys >= MAX_KEYS || key === '__proto__') ? 'other' : key
      if (!Object.hasOwn(totals, name)) keys++
      add(totals, name, n)
      add(recent, name, n)
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      report()
    },
  }
}

/** Safe for names that every object inherits, such as `constructor`. */
function add(sums: Record<string, number>, key: string, n: number): void {
  sums[key] = (Object.hasOwn(sums, key) ? (sums[key] ?? 0) : 0) + n
}
