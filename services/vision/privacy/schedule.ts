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

  /** The end of the periods that this time is in; null for none. A period lasts while its end is due before its next start. */
  endOf(now: number): number | null {
    const ends = this.#periods.flatMap(({ from, to }) => {
      const end = next(to, now)
      return end !== null && end < (next(from, now) ?? Number.POSITIVE_INFINITY) ? [end] : []
    })
    return ends.length === 0 ? null : Math.max(...ends)
  }

  /** The next start of a period; null when there is none. */
  startAfter(now: number): number | null {
    const starts = this.#periods.flatMap(({ from }) => next(from, now) ?? [])
    return starts.length === 0 ? null : Math.min(...starts)
  }
}

/** After `now`, not at it. */
function next(cron: Cron, now: number): number | null {
  return cron.nextRun(new Date(now))?.getTime() ?? null
}
