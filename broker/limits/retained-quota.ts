/** Retained messages, at most: they live in memory until somebody takes them back. */
const BOUNDS = { messages: 2_000, bytes: 64 * 1024 * 1024 }
/** Of that for clients without user name, all together. */
const LOCAL_BOUNDS = { messages: 300, bytes: 8 * 1024 * 1024 }

interface Bounds {
  messages: number
  bytes: number
}

/** Knows how much is retained, and refuses what would be too much. */
export class RetainedLedger {
  readonly #topics = new Map<string, { bytes: number; local: boolean }>()
  readonly #all: Account
  readonly #local: Account

  constructor(bounds: Bounds = BOUNDS, localBounds: Bounds = LOCAL_BOUNDS) {
    this.#all = new Account(bounds)
    this.#local = new Account(localBounds)
  }

  get messages(): number {
    return this.#all.messages
  }

  get bytes(): number {
    return this.#all.bytes
  }

  /**
   * A retained message of this many bytes comes, of a client without user name where `local`; none at all takes the topic's
   * back. False: it may not be retained.
   */
  take(topic: string, payloadBytes: number, local = false): boolean {
    const before = this.#topics.get(topic)
    const after = payloadBytes > 0 ? { bytes: payloadBytes + topic.length, local } : undefined
    if (after && !this.#all.allows(before, after)) return false
    if (after?.local && !this.#local.allows(before?.local ? before : undefined, after)) return false
    this.#all.change(before, after)
    this.#local.change(before?.local ? before : undefined, local ? after : undefined)
    if (after) this.#topics.set(topic, after)
    else this.#topics.delete(topic)
    return true
  }
}

type Entry = { bytes: number } | undefined

/** Messages and bytes within bounds. */
class Account {
  readonly #bounds: Bounds
  messages = 0
  bytes = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  allows(before: Entry, after: { bytes: number }): boolean {
    if (this.bytes - (before?.bytes ?? 0) + after.bytes > this.#bounds.bytes) return false
    return before !== undefined || this.messages < this.#bounds.messages
  }

  change(before: Entry, after: Entry): void {
    this.bytes += (after?.bytes ?? 0) - (before?.bytes ?? 0)
    this.messages += Number(after !== undefined) - Number(before !== undefined)
  }
}
