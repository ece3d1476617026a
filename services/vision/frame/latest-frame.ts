import type { CapturedFrame } from './captured-frame.ts'

/** Holds the latest frame for snapshots and photos. */
export class LatestFrame implements Disposable {
  #held: CapturedFrame | undefined
  #waiting = Promise.withResolvers<void>()
  #closed = false

  /** Keeps a reference to it. */
  offer(captured: CapturedFrame): void {
    if (this.#closed) return
    this.#held?.[Symbol.dispose]()
    this.#held = captured.share()
    this.#waiting.resolve()
    this.#waiting = Promise.withResolvers()
  }

  /** Discards the frame. */
  clear(): void {
    this.#held?.[Symbol.dispose]()
    this.#held = undefined
  }

  /** The latest frame, if captured at most `maxAgeMs` ago. The caller disposes of it. */
  get(maxAgeMs: number): CapturedFrame | undefined {
    const held = this.#held
    return held && performance.now() - held.at <= maxAgeMs ? held.share() : undefined
  }

  /** As {@link get}, or the next frame that arrives within `timeoutMs`. */
  async wait(maxAgeMs: number, timeoutMs: number): Promise<CapturedFrame | undefined> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const captured = this.get(maxAgeMs)
      const left = deadline - performance.now()
      if (captured || left <= 0 || this.#closed) return captured
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, left)
      await Promise.race([promise, this.#waiting.promise])
      clearTimeout(timer)
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.clear()
    this.#waiting.resolve()
  }
}
