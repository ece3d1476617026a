/** One frame to be sent. */
export interface PacedFrame {
  payloads: readonly Buffer[]
  /** Sends the payloads from index `from` to before `to`. */
  send(from: number, to: number): void
}

interface QueuedFrame {
  frame: PacedFrame
  since: number
  /** Index of the next payload. */
  next: number
}

interface PacerOptions {
  /** Estimated capacity of the path, in bit/s. */
  rate(): number
  /** The path holds a queue that must not grow. */
  congested(): boolean
  /** A frame waited too long and was dropped, with all behind it. */
  onDropped(): void
  now?: () => number
}

/** Multiple of the path's rate (draft-ietf-rmcat-gcc-02 §4, pacing multiplier), and the time to send one frame. */
const CLEAR = { factor: 2.5, frameMs: 100 }
const CONGESTED = { factor: 1.2, frameMs: 400 }
/** A frame that has not started by then predates a stall; it is dropped with all that follows. */
const MAX_WAIT_MS = 500
/** Size of a burst that may leave at once, as ms of the rate: a frame of average size. */
const BURST_MS = 70
const TICK_MS = 5

/** Spreads the packets of large frames, so that a keyframe does not leave as one burst. */
export class Pacer implements Disposable {
  readonly #options: PacerOptions
  readonly #now: () => number
  #queue: QueuedFrame[] = []
  #queuedBytes = 0
  /** Bytes that may leave now; negative after a larger packet. */
  #credit = 0
  #creditedAt: number
  #timer: NodeJS.Timeout | undefined

  constructor(options: PacerOptions) {
    this.#options = options
    this.#now = options.now ?? performance.now.bind(performance)
    this.#creditedAt = this.#now()
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  add(frame: PacedFrame): void {
    this.#queue.push({ frame, since: this.#now(), next: 0 })
    this.#queuedBytes += frame.payloads.reduce((sum, { length }) => sum + length, 0)
    if (!this.#timer) this.#flush()
  }

  [Symbol.dispose](): void {
    this.#clear()
  }

  /** Sends what may leave by now. */
  #flush(): void {
    this.#timer = undefined
    const now = this.#now()
    this.#addCredit(now)
    for (let head = this.#queue[0]; head && this.#credit > 0; head = this.#queue[0]) {
      if (head.next === 0 && now - head.since > MAX_WAIT_MS) {
        this.#clear()
        this.#options.onDropped()
        return
      }
      this.#sendPart(head)
      if (head.next >= head.frame.payloads.length) this.#queue.shift()
    }
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#flush(), TICK_MS)
  }

  /** Sends as much of a frame as the credit allows, at least one packet. */
  #sendPart(queued: QueuedFrame): void {
    const { payloads } = queued.frame
    const from = queued.next
    while (this.#credit > 0 && queued.next < payloads.length) {
      const { length } = payloads[queued.next++] ?? []
      this.#credit -= length ?? 0
      this.#queuedBytes -= length ?? 0
    }
    queued.frame.send(from, queued.next)
  }

  #clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#queue = []
    this.#queuedBytes = 0
  }

  #addCredit(now: number): void {
    const [head] = this.#queue
    const { factor, frameMs } = this.#options.congested() ? CONGESTED : CLEAR
    const rate = this.#options.rate() / 8_000 // bytes per ms
    const remaining = head ? Math.max(TICK_MS, head.since + frameMs - now) : frameMs
    const pace = Math.max(rate * factor, this.#queuedBytes / remaining)
    const maxCredit = Math.max(rate * BURST_MS, pace * TICK_MS * 2)
    this.#credit = Math.min(this.#credit + pace * (now - this.#creditedAt), maxCredit)
    this.#creditedAt = now
  }
}
