/** A frame is at most this old when it arrives; else its clock is not this one's. */
const MAX_AGE_MS = 5_000
/** A smaller difference is the jitter of clocks and scheduling. */
const MAX_DRIFT_MS = 250
const TICKS_PER_MS = 90

/**
 * Places frames on the monotonic clock of this process, ms: by their RTP timestamps, which are exact, after the first one by its
 * capture time. A system clock that is set moves nothing.
 */
export class CaptureClock {
  #last: { at: number; timestamp: number } | undefined

  /** `timestamp`: 90 kHz, 32 bits; `capturedAt`: ms since the epoch. `continues`: no restart of the source since the last frame. */
  place(
    { timestamp, capturedAt, continues }: { timestamp: number; capturedAt: number; continues: boolean },
    now = performance.now(),
  ): number {
    const at = this.#continued(timestamp, continues, now) ?? toMonotonic(capturedAt, now)
    const later = Math.max(at, (this.#last?.at ?? -Infinity) + 1)
    this.#last = { at: later, timestamp }
    return later
  }

  #continued(timestamp: number, continues: boolean, now: number): number | undefined {
    if (!this.#last || !continues) return undefined
    const at = this.#last.at + ((timestamp - this.#last.timestamp) | 0) / TICKS_PER_MS
    const age = now - at
    return age > -MAX_DRIFT_MS && age < MAX_AGE_MS ? at : undefined
  }
}

/** A time since the epoch on the monotonic clock; now, where the two clocks differ. */
export function toMonotonic(time: number, now = performance.now()): number {
  const age = Date.now() - time
  return age >= -MAX_DRIFT_MS && age <= MAX_AGE_MS ? now - Math.max(0, age) : now
}
