const BEAT = 50
/** The process stood still for so long, ms: what it reads next has waited. */
const GAP = 250
/** What has waited is read within this time after it, ms. */
const HOLD = 150

/**
 * Notices that the process stood still, on an overloaded machine or because it was stopped and continued. The commands
 * that piled up meanwhile are of the past, and look like new ones (FIELD_FAILURES B24).
 */
export class StallWatch {
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #last = 0
  #until = Number.NEGATIVE_INFINITY

  constructor(now = performance.now.bind(performance)) {
    this.#now = now
  }

  /** Watches, or does not. */
  watch(on: boolean): void {
    if (on === (this.#timer !== undefined)) return
    clearInterval(this.#timer)
    this.#last = this.#now()
    this.#timer = on ? setInterval(() => this.#beat(), BEAT) : undefined
  }

  /** Whether what is read now may have waited. */
  get isOver(): boolean {
    this.#beat()
    return this.#now() >= this.#until
  }

  #beat(): void {
    const now = this.#now()
    if (this.#timer && now - this.#last > GAP) this.#until = now + HOLD
    this.#last = now
  }
}
