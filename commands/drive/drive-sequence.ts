/** A mark this much older than the newest is no reordering any more: the app's clock was set, or its counter restarted. ms */
const FORGET_AFTER_MS = 1_000
/** A frame that was under way for this much longer than the fastest one is discarded, in ms. */
const MAX_LATENESS_MS = 500
/** A backlog is read within this time, ms: a stream that lasts longer is live. */
const BACKLOG_MS = 150
/** Clocks run apart by less than this, ms a second. */
const DRIFT = 1
/** Smaller numbers are no milliseconds since the epoch. */
const EPOCH_MS = 1e11

interface Marks {
  seq?: unknown
  /** When the app sent the frame, by its clock. */
  ts?: unknown
}

/** Age of a frame by a clock of ours, which only agrees with the app's if both are right. */
interface MeasuredAge {
  ms: number
  /** Bound of the error, in ms. */
  error?: number
}

/**
 * Finds drive commands that arrive out of order, or late, by their `seq` and `ts` if they have any. Only differences of
 * the app's clock count, so it may be wrong, and it may be set during a drive.
 */
export class DriveSequence {
  readonly #now: () => number
  readonly #newest = new Map<keyof Marks, { mark: number; at: number }>()
  /** Shortest transit time so far, by two clocks with unrelated origins, ms; and when. */
  #fastest: { delay: number; at: number } | undefined
  /** Until then the frames may be a backlog, the fastest one included. */
  #unprovenUntil = Number.NEGATIVE_INFINITY

  constructor(now = performance.now.bind(performance)) {
    this.#now = now
  }

  /**
   * Records a command, and returns what is wrong with it. The first frames of an app have nothing to be compared with: they
   * count if `age` says that they are current; null means that no clock is known, undefined that they count anyway.
   */
  check(
    marks: Marks,
    age?: MeasuredAge | null,
  ): 'overtaken' | 'late' | 'not known to be current' | undefined {
    const { ts } = marks
    const before = this.#newest.get('ts')
    const inOrder = [this.#follows('seq', marks.seq), this.#follows('ts', ts)]
    if (inOrder.includes(false)) return 'overtaken'
    if (!isNumber(ts) || ts < EPOCH_MS) return undefined
    if (before && ts < before.mark) this.#fastest = undefined // the app's clock was set
    const isFirst = this.#fastest === undefined
    const isLate = this.#isLate(ts)
    if (isFirst) this.#unprovenUntil = isCurrent(age) ? Number.NEGATIVE_INFINITY : this.#now() + BACKLOG_MS
    if (this.#now() < this.#unprovenUntil) return 'not known to be current'
    return isLate ? 'late' : undefined
  }

  /** Another app, with another clock, may follow. */
  reset(): void {
    this.#newest.clear()
    this.#fastest = undefined
  }

  #follows(name: keyof Marks, mark: unknown): boolean {
    if (!isNumber(mark)) return true
    const now = this.#now()
    const newest = this.#newest.get(name)
    if (newest && mark < newest.mark && now - newest.at < FORGET_AFTER_MS) return false
    this.#newest.set(name, { mark, at: now })
    return true
  }

  #isLate(ts: number): boolean {
    const now = this.#now()
    const delay = now - ts
    const allowed = this.#fastest && this.#fastest.delay + ((now - this.#fastest.at) / 1_000) * DRIFT
    if (allowed === undefined || delay <= allowed) this.#fastest = { delay, at: now }
    return allowed !== undefined && delay > allowed + MAX_LATENESS_MS
  }
}

function isCurrent(age: MeasuredAge | null | undefined): boolean {
  if (age === undefined) return true
  return age !== null && Math.abs(age.ms) <= MAX_LATENESS_MS + (age.error ?? 0)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
