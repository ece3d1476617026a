/** Longest time to the first sound: a camera on the network answers slowly. */
const FIRST_SOUND_MS = 12_000
/** Longest time between two chunks of sound. */
const MAX_GAP_MS = 3_000
const CHECK_INTERVAL_MS = 500

/** Reports a source that is silent for too long: a device delivers samples also where it is quiet. */
export class SoundWatchdog implements Disposable {
  readonly #timer: NodeJS.Timeout
  #last = performance.now()
  #hasSound = false

  constructor(onLost: (reason: string) => void) {
    this.#timer = setInterval(() => {
      const limit = this.#hasSound ? MAX_GAP_MS : FIRST_SOUND_MS
      if (performance.now() - this.#last > limit) onLost(`no sound for ${limit / 1_000} s`)
    }, CHECK_INTERVAL_MS)
  }

  /** Sound has arrived. */
  sound(): void {
    this.#last = performance.now()
    this.#hasSound = true
  }

  get hasSound(): boolean {
    return this.#hasSound
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
