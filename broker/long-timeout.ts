/** The longest delay of setTimeout; a longer one fires at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** A timer of any delay that does not keep the process alive. */
export class LongTimeout implements Disposable {
  #timer: NodeJS.Timeout

  constructor(delayMs: number, onTimeout: () => void) {
    const arm = (left: number): NodeJS.Timeout => {
      const step = Math.min(left, MAX_DELAY_MS)
      return setTimeout(() => {
        if (left > step) this.#timer = arm(left - step)
        else onTimeout()
      }, step).unref()
    }
    this.#timer = arm(delayMs)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
