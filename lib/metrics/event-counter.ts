import type { Logger } from '../logger.ts'

/** Counts events of a hot path and logs the sums periodically, instead of a line for each. */
export interface EventCounter extends Disposable {
  count(key: string, n?: number): void
  /** Sums since the start, by key. */
  readonly totals: Readonly<Record<string, number>>
}

/** Distinct keys; further ones, which an attacker may invent, count as `other`. */
const MAX_KEYS = 100

/** Logs `message` with the sums of the last interval, if there are any. `every` in ms. */
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
