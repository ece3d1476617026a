/** Packets of the last 10 s, of 20 ms each. */
const WINDOW = 500
/** Of the last second: a sender whose microphone has lost time sends later from then on. */
const SHORT_WINDOW = 50
/** Beside the variation of the arrivals. */
const MARGIN_MS = 20
/** Before there are a few packets. */
const FIRST_TARGET_MS = 60
const FIRST_PACKETS = 10
const MIN_TARGET_MS = 40
export const MAX_TARGET_MS = 120

/**
 * How long packets travel, as arrival minus media time: by the slowest of the last seconds a buffer knows what it may leave out, by
 * the fastest how long it is. Both follow a path, or a clock, that changes.
 */
export class DelayEstimator {
  /** Of the newest packets, ms. */
  readonly #transits: number[] = []

  /** A packet with this media time has arrived (both ms). */
  arrived(mediaTime: number, now: number): void {
    this.#transits.push(now - mediaTime)
    if (this.#transits.length > WINDOW) this.#transits.shift()
  }

  /** The slowest of the last 10 s. */
  get slowest(): number {
    return Math.max(...this.#transits)
  }

  /** The fastest of the last second. */
  get fastest(): number {
    return Math.min(...this.#transits.slice(-SHORT_WINDOW))
  }

  /** ms that packets wait where a buffer begins: 40 to 120. */
  get target(): number {
    if (this.#transits.length < FIRST_PACKETS) return FIRST_TARGET_MS
    return Math.min(MAX_TARGET_MS, Math.max(MIN_TARGET_MS, this.slowest - this.fastest + MARGIN_MS))
  }
}
