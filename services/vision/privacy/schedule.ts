import { Cron } from 'croner'

/** One of `privacy.schedule`: cron expressions in the time zone of this process. */
interface Period {
  from: string
  to: string
}

/** Whether this is a cron expression that will be due again. */
export function isCron(text: string): boolean {
  try {
    return new Cron(text).nextRun() !== null
  } catch {
    return false // the expression is shown with the error of the config
  }
}

/** The periods of `privacy.schedule`. Times are in ms since the epoch. */
export class Schedule {
  readonly #periods: { from: Cron; to: Cron }[]

  constructor(periods: readonly Period[]) {
    this.#periods = periods.map(({ from, to }) => ({ from: new Cron(from), to: new Cron(to) }))
  }

  get isEmpty(): boolean {
    return this.#periods.length === 0
  }

  /** The end of the periods that this time is in; null for none. */
  endOf(now: number): number | null {
    const ends = this.#periods.flatMap(({ from, to }) =>
      isWithin(from, to, now) ? (next(to, now) ?? []) : [],
    )
    return ends.length === 0 ? null : Math.max(...ends)
  }

  /** The next start of a period; null when there is none. */
  startAfter(now: number): number | null {
    const starts = this.#periods.flatMap(({ from }) => next(from, now) ?? [])
    return starts.length === 0 ? null : Math.min(...starts)
  }
}

/**
 * Whether the last time of `from` is after the last one of `to`. Where both are the same the period is empty, as one from 2:00 to
 * 3:00 when the clocks are put forward, unless their expressions are the same, too.
 */
function isWithin(from: Cron, to: Cron, now: number): boolean {
  const start = last(from, now)
  if (start === null) return false
  const end = last(to, now) ?? Number.NEGATIVE_INFINITY
  return start > end || (start === end && from.getPattern() === to.getPattern())
}

/** At `now`, or before; croner counts in whole seconds, and leaves out the reference. */
function last(cron: Cron, now: number): number | null {
  const [run] = cron.previousRuns(1, new Date(now + 1_000))
  return run?.getTime() ?? null
}

/** After `now`, not at it. */
function next(cron: Cron, now: number): number | null {
  return cron.nextRun(new Date(now))?.getTime() ?? null
}
