/** Packets of the last 10 s, of 20 ms each. */
const WINDOW = 500
/** Calculated again after so many packets. */
const EVERY = 10
/** Packets of the window that may come later: a delay of 100 ms in 10 s is not worth waiting longer for all others. */
const MAX_LATE = 5
/** Beside the variation of the arrivals. */
const MARGIN_MS = 20
/** Before the first estimate. */
const FIRST_TARGET_MS = 60
const MIN_TARGET_MS = 40
const MAX_TARGET_MS = 120

/** How long packets wait before they are played, by the variation of their delays in the last seconds. */
export class DelayEstimator {
  /** Arrival minus media time of the newest packets, ms. */
  readonly #transits: number[] = []
  #at = 0
  #count = 0
  /** The transit of the fastest packet in the window. */
  base = Number.POSITIVE_INFINITY
  /** ms */
  target = FIRST_TARGET_MS

  /** A packet with this media time has arrived (both ms). */
  arrived(mediaTime: number, now: number): void {
    const transit = now - mediaTime
    this.#transits[this.#at] = transit
    this.#at = (this.#at + 1) % WINDOW
    this.base = Math.min(this.base, transit)
    if (++this.#count % EVERY === 0) this.#estimate()
  }

  #estimate(): void {
    const sorted = this.#transits.toSorted((a, b) => a - b)
    // of the window only, so that it follows the drift between the clocks
    this.base = sorted[0] ?? 0
    const late = (sorted.at(-1 - MAX_LATE) ?? this.base) - this.base
    this.target = Math.min(MAX_TARGET_MS, Math.max(MIN_TARGET_MS, late + MARGIN_MS))
  }
}
