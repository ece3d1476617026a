const CHECK_INTERVAL_MS = 50
/** A gap this long means that the process was stopped, or starved of CPU, in ms. */
const MIN_STALL_MS = 250
/** The backlog of a stall is read within this time after it, in ms. */
const BACKLOG_MS = 150

/**
 * Detects that the event loop stood still, on an overloaded machine or because the process was stopped and continued. The
 * commands that queued up during it are old, and look like new ones.
 */
export class EventLoopStall {
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #last = 0
  #until = Number.NEGATIVE_INFINITY

  constructor(now = performance.now.bind(performance)) {
    this.#now = now
  }

  /** Turns detection on or off. */
  watch(on: boolean): void {
    if (on === (this.#timer !== undefined)) return
    clearInterval(this.#timer)
    this.#last = this.#now()
    this.#timer = on ? setInterval(() => this.#check(), CHECK_INTERVAL_MS) : undefined
  }

  /** Whether the backlog of the last stall has been read: false while what arrives may be old. */
  get isOver(): boolean {
    this.#check()
    return this.#now() >= this.#until
  }

  #check(): void {
    const now = this.#now()
    if (this.#timer && now - this.#last > MIN_STALL_MS) this.#until = now + BACKLOG_MS
    this.#last = now
  }
}
