/** A mark this much older than the newest is no reordering any more: the app's clock was set, or it counts anew. ms */
const FORGET_AFTER = 1_000
/** A frame that was under way for this much longer than the fastest one is of no use any more, ms (FIELD_FAILURES B24). */
const LATE = 500
/** Clocks run apart by less than this, ms a second. */
const DRIFT = 1
/** Smaller numbers are no milliseconds since the epoch (API_CONTRACT 0). */
const EPOCH_MS = 1e11

interface Marks {
  seq?: unknown
  ts?: unknown
}

/**
 * Knows drive commands that come out of order, or late, by their `seq` and `ts` if they have any (API_CONTRACT 3.3 rule
 * 3). Only differences of the app's clock count, so it may be wrong, and it may be set while somebody drives.
 */
export class FrameOrder {
  readonly #now: () => number
  readonly #newest = new Map<keyof Marks, { mark: number; at: number }>()
  /** The shortest way that a frame has taken, by two clocks that have nothing to do with each other, ms; and when. */
  #fastest: { delay: number; at: number } | undefined

  constructor(now = performance.now.bind(performance)) {
    this.#now = now
  }

  /** Takes note of a command, and says what is wrong with it. */
  check(marks: Marks): 'overtaken' | 'late' | undefined {
    const { ts } = marks
    const before = this.#newest.get('ts')
    const inOrder = [this.#follows('seq', marks.seq), this.#follows('ts', ts)]
    if (inOrder.includes(false)) return 'overtaken'
    if (!isNumber(ts) || ts < EPOCH_MS) return undefined
    if (before && ts < before.mark) this.#fastest = undefined // their clock was set
    return this.#isLate(ts) ? 'late' : undefined
  }

  #follows(name: keyof Marks, mark: unknown): boolean {
    if (!isNumber(mark)) return true
    const now = this.#now()
    const newest = this.#newest.get(name)
    if (newest && mark < newest.mark && now - newest.at < FORGET_AFTER) return false
    this.#newest.set(name, { mark, at: now })
    return true
  }

  #isLate(ts: number): boolean {
    const now = this.#now()
    const delay = now - ts
    const allowed = this.#fastest && this.#fastest.delay + ((now - this.#fastest.at) / 1_000) * DRIFT
    if (allowed === undefined || delay <= allowed) this.#fastest = { delay, at: now }
    return allowed !== undefined && delay > allowed + LATE
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
