import { readFileSync } from 'node:fs'

/** Distance of two readings; together they cover the last second. */
const READING_INTERVAL_MS = 60
const WINDOW_MS = 1_000
/** A wait this long is more than an ordinary time slice. */
const STARVED_MS = 30
/** The process counts as CPU-starved for this long after such a wait. */
const HOLD_MS = 2_000

/**
 * How long this process waited for a CPU although it could run. On an overloaded machine that is what delays packets and
 * reports, not the path. Readings are taken when a value is asked for: once a frame is enough.
 */
export class SchedulingDelay {
  readonly #waited: () => number
  readonly #now: () => number
  #last: { at: number; waited: number } | undefined
  #waits: { at: number; ms: number }[] = []
  #starvedUntil = Number.NEGATIVE_INFINITY

  /** `waited`: ms in the queues of the scheduler since the start of the process. */
  constructor(waited = waitedForCpu, now = performance.now.bind(performance)) {
    this.#waited = waited
    this.#now = now
  }

  /** Longest wait between two readings of the last second, in ms. */
  get worst(): number {
    this.#read()
    return Math.max(0, ...this.#waits.map(({ ms }) => ms))
  }

  /** This process waits for a CPU, or did a moment ago. */
  get isStarved(): boolean {
    this.#read()
    return this.#now() < this.#starvedUntil
  }

  #read(): void {
    const at = this.#now()
    if (this.#last && at - this.#last.at < READING_INTERVAL_MS) return
    const waited = this.#waited()
    // the sum over an idle time is not one wait
    const isFirst = !this.#last || at - this.#last.at > WINDOW_MS
    const ms = isFirst ? 0 : waited - (this.#last?.waited ?? waited)
    this.#last = { at, waited }
    this.#waits = [...this.#waits.filter((one) => one.at > at - WINDOW_MS), { at, ms }]
    if (ms > STARVED_MS) this.#starvedUntil = at + HOLD_MS
  }
}

/** Of the main thread; 0 where the kernel does not count it. proc(5), /proc/pid/schedstat, second field, ns. */
function waitedForCpu(): number {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** Of this process, for all its viewers. */
export const schedulingDelay = new SchedulingDelay()
