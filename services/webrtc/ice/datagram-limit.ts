/** WebRTC keeps its packets within an Ethernet MTU. */
const MAX_BYTES = 2_048
/** Datagrams of one session: burst and rate a second. Feedback, checks and control messages are some hundred. */
const BURST = 3_000
const RATE = 1_500
/** So many dropped ones, without a pause, are an attack. */
const MAX_DROPPED = 20_000

/** Limits the datagrams that one session processes, before any parsing. */
export class DatagramLimit {
  readonly #onExceeded: () => void
  readonly #now: () => number
  #left = BURST
  #at: number
  #dropped = 0

  /** `onExceeded` is called once. */
  constructor(onExceeded: () => void, now = performance.now.bind(performance)) {
    this.#onExceeded = onExceeded
    this.#now = now
    this.#at = now()
  }

  accepts(size: number): boolean {
    const now = this.#now()
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) * RATE) / 1_000)
    this.#at = now
    if (this.#left >= BURST) this.#dropped = 0
    if (size > MAX_BYTES) return false
    if (this.#left >= 1) {
      this.#left--
      return true
    }
    if (++this.#dropped === MAX_DROPPED) this.#onExceeded()
    return false
  }
}
