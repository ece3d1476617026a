import type { Logger } from './logger.ts'

/** Counts mishaps of a hot path and logs the sums now and then, instead of a line for each. */
export interface Tally extends Disposable {
  count(key: string, n?: number): void
  /** Sums since the start, by key. */
  readonly totals: Readonly<Record<string, number>>
}

/** A tally that logs `message` with the sums of the last interval, only if there are any. `every` in milliseconds. */
export function createTally(log: Logger, message: string, { every = 60_000 } = {}): Tally {
  const totals: Record<string, number> = {}
  let recent: Record<string, number> = {}
  const report = () => {
    if (Object.keys(recent).length === 0) return
    log.warn(recent, message)
    recent = {}
  }
  const timer = setInterval(report, every)
  timer.unref()
  return {
    totals,
    count(key, n = 1) {
      totals[key] = (totals[key] ?? 0) + n
      recent[key] = (recent[key] ?? 0) + n
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      report()
    },
  }
}
