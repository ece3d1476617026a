import type { CapturedFrame } from './captured-frame.ts'

/** Holds the newest picture for those who want one now. */
export class Newest implements Disposable {
  #held: CapturedFrame | undefined
  #waiting = Promise.withResolvers<void>()
  #closed = false

  /** Takes a share of it. */
  offer(captured: CapturedFrame): void {
    if (this.#closed) return
    this.#held?.[Symbol.dispose]()
    this.#held = captured.share()
    this.#waiting.resolve()
    this.#waiting = Promise.withResolvers()
  }

  /** A share of the picture, if it was taken less than `age` ms ago. The caller disposes of it. */
  get(age: number): CapturedFrame | undefined {
    const held = this.#held
    return held && performance.now() - held.at <= age ? held.share() : undefined
  }

  /** As {@link get}, or the next one if it comes within so many ms. */
  async wait(age: number, within: number): Promise<CapturedFrame | undefined> {
    const deadline = performance.now() + within
    for (;;) {
      const captured = this.get(age)
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
    this.#held?.[Symbol.dispose]()
    this.#held = undefined
    this.#waiting.resolve()
  }
}
