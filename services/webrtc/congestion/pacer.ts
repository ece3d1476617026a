/** One picture on its way out. */
export interface Paced {
  payloads: readonly Buffer[]
  /** Sends the payload of this index. */
  send(index: number): void
}

export interface PacerOptions {
  /** bit/s that the viewer's way carries. */
  rate(): number
  /** A queue stands on the way: what comes now must not make it longer. */
  congested(): boolean
  /** A picture waited too long and was dropped with all behind it. */
  dropped(): void
  now?: () => number
}

/** Over the rate of the way (draft-ietf-rmcat-gcc-02 §4, pacing multiplier), and within how long a picture is out, in ms. */
const CLEAR = { factor: 2.5, hold: 100 }
const CONGESTED = { factor: 1.2, hold: 400 }
/** One that has not begun by then comes from before a stall: it and what follows is dropped. */
const TOO_LATE = 500
/** What may leave at once: a picture of average size, as milliseconds of the rate. */
const BURST = 70
const TICK = 5

/** Spreads the packets of large pictures, so that a keyframe does not leave as one burst. */
export class Pacer implements Disposable {
  readonly #options: PacerOptions
  readonly #now: () => number
  #queue: { picture: Paced; since: number; next: number }[] = []
  #waiting = 0
  /** Bytes that may leave now; below zero after one that was larger. */
  #credit = 0
  #at: number
  #timer: NodeJS.Timeout | undefined

  constructor(options: PacerOptions) {
    this.#options = options
    this.#now = options.now ?? performance.now.bind(performance)
    this.#at = this.#now()
  }

  /** Bytes that wait. */
  get waiting(): number {
    return this.#waiting
  }

  add(picture: Paced): void {
    this.#queue.push({ picture, since: this.#now(), next: 0 })
    this.#waiting += picture.payloads.reduce((sum, { length }) => sum + length, 0)
    if (!this.#timer) this.flush()
  }

  /** Forgets what waits. */
  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#queue = []
    this.#waiting = 0
  }

  [Symbol.dispose](): void {
    this.clear()
  }

  /** Sends what may leave by now. */
  flush(): void {
    this.#timer = undefined
    const now = this.#now()
    this.#earn(now)
    for (let head = this.#queue[0]; head && this.#credit > 0; head = this.#queue[0]) {
      if (head.next === 0 && now - head.since > TOO_LATE) {
        this.clear()
        this.#options.dropped()
        return
      }
      const { length } = head.picture.payloads[head.next] ?? []
      this.#credit -= length ?? 0
      this.#waiting -= length ?? 0
      head.picture.send(head.next++)
      if (head.next >= head.picture.payloads.length) this.#queue.shift()
    }
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.flush(), TICK)
  }

  #earn(now: number): void {
    const [head] = this.#queue
    const { factor, hold } = this.#options.congested() ? CONGESTED : CLEAR
    const rate = this.#options.rate() / 8_000 // bytes per millisecond
    const left = head ? Math.max(TICK, head.since + hold - now) : hold
    const pace = Math.max(rate * factor, this.#waiting / left)
    this.#credit = Math.min(this.#credit + pace * (now - this.#at), Math.max(rate * BURST, pace * TICK * 2))
    this.#at = now
  }
}
