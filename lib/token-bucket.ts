/** A token bucket: `burst` tokens at once, then a steady rate. Times are monotonic milliseconds. */
export class TokenBucket {
  readonly #burst: number
  readonly #perSecond: () => number
  #tokens: number
  #filledAt: number | undefined

  /** `perSecond` as a function where the rate changes over time. */
  constructor(burst: number, perSecond: number | (() => number)) {
    this.#burst = burst
    this.#perSecond = typeof perSecond === 'function' ? perSecond : () => perSecond
    this.#tokens = burst
  }

  /** Milliseconds until `n` tokens are there; 0 when they are. */
  wait(n = 1, now = performance.now()): number {
    this.#fill(now)
    return this.#tokens >= n ? 0 : Math.ceil(((n - this.#tokens) * 1_000) / this.#perSecond())
  }

  /** Takes `n` tokens if they are there. */
  take(n = 1, now = performance.now()): boolean {
    if (this.wait(n, now) > 0) return false
    this.#tokens -= n
    return true
  }

  /** Takes `n` tokens for what has happened already, so the bucket may go into debt: by one burst at most. */
  charge(n = 1, now = performance.now()): void {
    this.#fill(now)
    this.#tokens = Math.max(-this.#burst, this.#tokens - n)
  }

  #fill(now: number): void {
    const since = now - (this.#filledAt ?? now)
    this.#tokens = Math.min(this.#burst, this.#tokens + (since * this.#perSecond()) / 1_000)
    this.#filledAt = now
  }
}
