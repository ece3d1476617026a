import type { Estimator } from './estimator.ts'

/** In the first seconds probes follow one another so fast, later so: milliseconds. */
const EAGER = 1_000
const PATIENT = 5_000
const EAGER_FOR = 10_000
/** After one that has shown more, the next comes at once. */
const AFTER_SUCCESS = 400
/** The way must have been clear for so long. */
const CALM = 1_000
/** The first looks further: draft-ietf-rmcat-gcc has the ramp-up begin at three times the start. */
const FIRST_STEP = 3
const STEP = 2
const ENOUGH = 0.95
const LITTLE_LOSS = 0.08

/** Says when the way is to be probed for more than the estimate, and at which rate. Never before media is confirmed (F02). */
export class Prober {
  readonly #most: number
  #confirmedAt: number | undefined
  #congestedAt = Number.NEGATIVE_INFINITY
  #last: { at: number; target: number } | undefined

  /** bit/s that are of any use. */
  constructor(most: number) {
    this.#most = most
  }

  /** bit/s to probe at now, or undefined; `now` in milliseconds. */
  next(estimator: Estimator, now: number): number | undefined {
    if (estimator.congested) this.#congestedAt = now
    if (!estimator.confirmed || !estimator.isFed(now)) return undefined
    this.#confirmedAt ??= now
    const { target } = estimator
    const calm = now - this.#congestedAt >= CALM && (estimator.loss ?? 0) <= LITTLE_LOSS
    if (!calm || target >= this.#most * ENOUGH || now - (this.#last?.at ?? 0) < this.#interval(target, now)) {
      return undefined
    }
    const step = this.#last ? STEP : FIRST_STEP
    this.#last = { at: now, target }
    return Math.min(this.#most, target * step)
  }

  #interval(target: number, now: number): number {
    if (!this.#last) return Number.NEGATIVE_INFINITY
    if (target > this.#last.target * 1.1) return AFTER_SUCCESS
    return now - (this.#confirmedAt ?? now) < EAGER_FOR ? EAGER : PATIENT
  }
}
