import type { Detections } from '#bus/messages.ts'

interface PresenceOptions {
  /** What counts as a dog. */
  labels: readonly string[]
  /** Unseen for so long, ms: it is away. */
  absentAfter: number
  /** The detector has said nothing for so long, ms: nobody knows. */
  silence: number
  /** From before a restart, ms since the epoch. */
  lastSeen?: number | undefined
}

/**
 * Is a dog there? By what the detector says of every picture, not by the beginnings and ends of tracks: one that is missed
 * while a service or the broker restarts, with a dog that lies still, would be wrong until it moves.
 */
export class Presence {
  readonly #options: PresenceOptions
  #lastSeen: number | undefined
  /** When a dog was last told of, when anything was, and since when without a pause; ms of a monotonic clock. */
  #seenAt = Number.NEGATIVE_INFINITY
  #heardAt = Number.NEGATIVE_INFINITY
  #watchingSince = Number.NEGATIVE_INFINITY

  constructor(options: PresenceOptions) {
    this.#options = options
    this.#lastSeen = options.lastSeen
  }

  /** When the picture was taken in which a dog was last seen, ms since the epoch. */
  get lastSeen(): number | undefined {
    return this.#lastSeen
  }

  /** An inference, heard of `now`. A dog counts when its track is confirmed. */
  take({ objects, captured_at }: Detections, now: number): void {
    if (now - this.#heardAt > this.#options.silence) this.#watchingSince = now
    this.#heardAt = now
    const isDog = objects.some(
      ({ label, track_id }) => track_id !== null && this.#options.labels.includes(label),
    )
    if (!isDog) return
    this.#seenAt = now
    this.#lastSeen = captured_at
  }

  /** Nobody looks any more. */
  blind(): void {
    this.#heardAt = Number.NEGATIVE_INFINITY
    this.#seenAt = Number.NEGATIVE_INFINITY
  }

  /** null: nobody knows, since nobody has looked for long enough. */
  at(now: number): boolean | null {
    const { silence, absentAfter } = this.#options
    if (now - this.#heardAt > silence) return null
    if (now - this.#seenAt < absentAfter) return true
    return now - this.#watchingSince < absentAfter ? null : false
  }
}
