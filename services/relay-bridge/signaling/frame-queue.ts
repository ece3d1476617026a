import type { Bus } from '#bus/bus.ts'

/** CPU time for waiting frames in one turn of the event loop, ms: a stop waits no longer than this. */
const SLICE_MS = 5
/** Messages on their way to the broker, which handles those of one client in order, so a stop waits behind them. */
const MAX_IN_FLIGHT = 32
const MAX_IN_FLIGHT_CHARS = 128 * 1024
const MAX_WAITING = 6_000
const MAX_WAITING_CHARS = 16 * 1024 * 1024

interface Waiting {
  size: number
  run: () => Promise<void>
}

/**
 * Frames that are neither commands nor liveness checks, in order. They are handled at once while there are few; under load
 * they wait, so that a stop that arrives later overtakes them, here and on the way to the broker.
 */
export class FrameQueue implements Disposable {
  readonly #bus: Pick<Bus, 'connected'>
  readonly #waiting: Waiting[] = []
  #chars = 0
  readonly #inFlight = { frames: 0, chars: 0 }
  /** Monotonic ms; undefined before the first frame of a turn. */
  #sliceEnd: number | undefined
  #nextTurn: NodeJS.Immediate | undefined

  constructor(bus: Pick<Bus, 'connected'>) {
    this.#bus = bus
  }

  /** `run` resolves when the frame's messages are delivered, and never throws. False when the queue is full: the frame is dropped. */
  push(size: number, run: () => Promise<void>): boolean {
    if (this.#waiting.length >= MAX_WAITING || this.#chars + size > MAX_WAITING_CHARS) return false
    this.#waiting.push({ size, run })
    this.#chars += size
    this.#drain()
    return true
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#nextTurn)
    this.#waiting.length = 0
  }

  #drain(): void {
    this.#sliceEnd ??= performance.now() + SLICE_MS
    while (this.#mayRun && performance.now() < this.#sliceEnd) {
      const next = this.#waiting.shift()
      if (!next) break
      this.#chars -= next.size
      this.#inFlight.frames++
      this.#inFlight.chars += next.size
      void next.run().finally(() => {
        this.#inFlight.frames--
        this.#inFlight.chars -= next.size
        if (this.#waiting.length > 0) this.#drain()
      })
    }
    this.#nextTurn ??= setImmediate(() => {
      this.#nextTurn = undefined
      this.#sliceEnd = undefined
      if (this.#mayRun && this.#waiting.length > 0) this.#drain()
    })
  }

  /** Without a connection nothing is delivered, and the bus bounds what it holds. */
  get #mayRun(): boolean {
    const { frames, chars } = this.#inFlight
    return (frames < MAX_IN_FLIGHT && chars < MAX_IN_FLIGHT_CHARS) || !this.#bus.connected
  }
}
