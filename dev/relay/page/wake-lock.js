/** Keeps the screen of a phone on while the user drives; on HTTPS or localhost, where the browser can. */
export class WakeLock {
  #wanted = false
  /** @type {WakeLockSentinel | null} */
  #lock = null

  constructor() {
    // the browser releases it when the page is hidden
    document.addEventListener('visibilitychange', () => void this.#update())
  }

  /** @param {boolean} wanted */
  set(wanted) {
    this.#wanted = wanted
    void this.#update()
  }

  async #update() {
    if (!this.#wanted || document.hidden) {
      await this.#lock?.release()
      this.#lock = null
    } else if (!this.#lock || this.#lock.released) {
      this.#lock = (await navigator.wakeLock?.request('screen').catch(() => null)) ?? null // low battery
    }
  }
}
