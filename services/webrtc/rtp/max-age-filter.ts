/** Older frames are discarded, not sent late. */
const MAX_AGE_MS = 500
/** The same while this process is CPU-starved: the next frames are as late, so that discarding would end the video. */
const MAX_AGE_STARVED_MS = 2_000
/** A larger delay is a clock that was set: nothing between camera and here holds frames for so long. */
const CLOCK_STEP_MS = 10_000
const OFFSET_WINDOW_MS = 5_000

interface MaxAgeOptions {
  now?: () => number
  /** ms */
  maxAge?: number
  isStarved?: (() => boolean) | undefined
}

/**
 * Rejects late frames by their capture time and our monotonic clock. The offset between the two clocks is the smallest of
 * the last seconds, so that setting the robot's clock (it has no battery and starts wrong) interrupts the video for a few
 * seconds at most.
 */
export class MaxAgeFilter {
  readonly #now: () => number
  readonly #maxAge: number
  readonly #isStarved: () => boolean
  readonly #origin: number
  #previousOffset = 0
  #offset = 0
  #windowEnd: number

  constructor({
    now = performance.now.bind(performance),
    maxAge = MAX_AGE_MS,
    isStarved = () => false,
  }: MaxAgeOptions = {}) {
    this.#maxAge = maxAge
    this.#now = now
    this.#isStarved = isStarved
    this.#origin = Date.now() - now()
    this.#windowEnd = now() + OFFSET_WINDOW_MS
  }

  /** Whether a frame captured at `capturedAt` (ms since the epoch) is recent enough to be sent. */
  accepts(capturedAt: number): boolean {
    const now = this.#now()
    const delay = this.#origin + now - capturedAt
    if (delay - Math.min(this.#previousOffset, this.#offset) > CLOCK_STEP_MS) {
      this.#previousOffset = this.#offset = delay
    }
    if (now >= this.#windowEnd) {
      this.#previousOffset = this.#offset
      this.#offset = delay
      this.#windowEnd = now + OFFSET_WINDOW_MS
    }
    this.#offset = Math.min(this.#offset, delay)
    const age = delay - Math.min(this.#previousOffset, this.#offset)
    return age <= (this.#isStarved() ? MAX_AGE_STARVED_MS : this.#maxAge)
  }
}
