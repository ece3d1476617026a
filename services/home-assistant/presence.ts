import type { Detections } from '#bus/messages.ts'

interface PresenceOptions {
  /** Labels that count as a dog. */
  labels: readonly string[]
  /** Time without detection after which the dog is absent (ms). */
  absentAfter: number
  /** Time without messages of the detector after which presence is unknown (ms). */
  silence: number
  /** From before a restart (ms since the epoch). */
  lastSeen?: number | undefined
}

/**
 * Whether a dog is present, by the detections of every frame. Events at the start and end of tracks would not do: one that is
 * lost while a service or the broker restarts would leave a wrong state until a resting dog moves.
 */
export class Presence {
  readonly #options: PresenceOptions
  #lastSeen: number | undefined
  /** Monotonic times (ms): last detection of a dog, last message, first message without a pause since. */
  #seenAt = Number.NEGATIVE_INFINITY
  #receivedAt = Number.NEGATIVE_INFINITY
  #watchingSince = Number.NEGATIVE_INFINITY

  constructor(options: PresenceOptions) {
    this.#options = options
    this.#lastSeen = options.lastSeen
  }

  /** Capture time of the last frame with a dog (ms since the epoch). */
  get lastSeen(): number | undefined {
    return this.#lastSeen
  }

  /** Ingests the detections of one frame, received at `now`. A dog counts when its track is confirmed. */
  ingest({ objects, captured_at }: Detections, now: number): void {
    if (now - this.#receivedAt > this.#options.silence) this.#watchingSince = now
    this.#receivedAt = now
    const isDog = objects.some(
      ({ label, track_id }) => track_id !== null && this.#options.labels.includes(label),
    )
    if (!isDog) return
    this.#seenAt = now
    this.#lastSeen = captured_at
  }

  /** Vision is offline: presence is unknown. */
  visionLost(): void {
    this.#receivedAt = Number.NEGATIVE_INFINITY
    this.#seenAt = Number.NEGATIVE_INFINITY
  }

  /** Null while unknown: no detections, or not for long enough. */
  at(now: number): boolean | null {
    const { silence, absentAfter } = this.#options
    if (now - this.#receivedAt > silence) return null
    if (now - this.#seenAt < absentAfter) return true
    return now - this.#watchingSince < absentAfter ? null : false
  }
}
