/** Retained messages, at most: they live in memory until somebody takes them back. */
const BOUNDS = { messages: 2_000, bytes: 64 * 1024 * 1024 }

/** Knows how much is retained, and refuses what would be too much. */
export class RetainedLedger {
  readonly #sizes = new Map<string, number>()
  readonly #bounds: { messages: number; bytes: number }
  #bytes = 0

  constructor(bounds = BOUNDS) {
    this.#bounds = bounds
  }

  get messages(): number {
    return this.#sizes.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A retained message of this many bytes comes; none at all takes the topic's back. False: it may not be retained. */
  take(topic: string, bytes: number): boolean {
    const before = this.#sizes.get(topic) ?? 0
    const after = this.#bytes - before + bytes
    if (bytes > 0 && (after > this.#bounds.bytes || this.#full(topic))) return false
    this.#bytes = after
    if (bytes > 0) this.#sizes.set(topic, bytes)
    else this.#sizes.delete(topic)
    return true
  }

  #full(topic: string): boolean {
    return !this.#sizes.has(topic) && this.#sizes.size >= this.#bounds.messages
  }
}
