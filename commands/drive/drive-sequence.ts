/** A mark this much older than the newest is no reordering any more: the app's clock was set, or it counts from the start again. ms */
const FORGET_AFTER_MS = 1_000
/** A frame that was under way for this much longer than the fastest one is discarded, ms. */
const MAX_LATENESS_MS = 500
/** Clocks run apart by less than this, ms a second. */
const DRIFT = 1
/** Smaller numbers are no milliseconds since the epoch. */
const EPOCH_MS = 1e11

interface Marks {
  seq?: unknown
  ts?: unknown
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

  constructor(now = performance.now.bind(performance)) {
    this.#now = now
  }

  /** Records a command, and returns what is wrong with it. */
  check(marks: Marks): 'overtaken' | 'late' | undefined {
    const { ts } = marks
    const before = this.#newest.get('ts')
    const inOrder = [this.#follows('seq', marks.seq), this.#follows('ts', ts)]
    if (inOrder.includes(false)) return 'overtaken'
    if (!isNumber(ts) || ts < EPOCH_MS) return undefined
    if (before && ts < before.mark) this.#fastest = undefined // the app's clock was set
    return this.#isLate(ts) ? 'late' : undefined
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

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
