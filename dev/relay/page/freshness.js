/** A picture older than this, or that stands still for this long, hides what the robot does. */
const MAX_AGE_MS = 700
const CHECK_EVERY_MS = 100

/**
 * Watches whether the picture shows the present: when the last frame was shown and, as far as the browser or the clock in the
 * frame tells, how old it was.
 */
export class Freshness {
  /** Changed by tests of what an old picture must not end. */
  maxAge = MAX_AGE_MS
  #shownAt = Number.NEGATIVE_INFINITY
  #age = 0
  #fresh = false

  /** @param {(fresh: boolean) => void} onChange */
  constructor(onChange) {
    this.onChange = onChange
    setInterval(() => this.#check(), CHECK_EVERY_MS)
  }

  get fresh() {
    return this.#fresh
  }

  /** A frame is on the screen. @param {number | null} age ms from capture to display, null where unknown */
  shown(age) {
    this.#shownAt = performance.now()
    this.#age = age === null ? 0 : Math.max(0, age)
    this.#check()
  }

  #check() {
    const fresh = performance.now() - this.#shownAt + this.#age <= this.maxAge
    if (fresh === this.#fresh) return
    this.#fresh = fresh
    this.onChange(fresh)
  }
}
