/** Retained messages in total: they stay in memory until they are cleared. */
const LIMITS = { messages: 2_000, bytes: 64 * 1024 * 1024 }
/** Share of all clients without a user name together. */
const ANONYMOUS_LIMITS = { messages: 300, bytes: 8 * 1024 * 1024 }

interface Limits {
  messages: number
  bytes: number
}

/** Limits the number and size of the retained messages. */
export class RetainedQuota {
  readonly #topics = new Map<string, { bytes: number; anonymous: boolean }>()
  readonly #all: Account
  readonly #anonymous: Account

  constructor(limits: Limits = LIMITS, anonymousLimits: Limits = ANONYMOUS_LIMITS) {
    this.#all = new Account(limits)
    this.#anonymous = new Account(anonymousLimits)
  }

  get messages(): number {
    return this.#all.messages
  }

  get bytes(): number {
    return this.#all.bytes
  }

  /**
   * Accounts for a retained message; an empty payload clears the topic. `anonymous`: the client has no user name. Returns
   * false if the message must not be retained.
   */
  store(topic: string, payloadBytes: number, anonymous = false): boolean {
    const before = this.#topics.get(topic)
    const after = payloadBytes > 0 ? { bytes: payloadBytes + topic.length, anonymous } : undefined
    if (after && !this.#all.allows(before, after)) return false
    if (after?.anonymous && !this.#anonymous.allows(before?.anonymous ? before : undefined, after))
      return false
    this.#all.change(before, after)
    this.#anonymous.change(before?.anonymous ? before : undefined, anonymous ? after : undefined)
    if (after) this.#topics.set(topic, after)
    else this.#topics.delete(topic)
    return true
  }
}

type Entry = { bytes: number } | undefined

/** A number of messages and bytes, with limits. */
class Account {
  readonly #limits: Limits
  messages = 0
  bytes = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  allows(before: Entry, after: { bytes: number }): boolean {
    if (this.bytes - (before?.bytes ?? 0) + after.bytes > this.#limits.bytes) return false
    return before !== undefined || this.messages < this.#limits.messages
  }

  change(before: Entry, after: Entry): void {
    this.bytes += (after?.bytes ?? 0) - (before?.bytes ?? 0)
    this.messages += Number(after !== undefined) - Number(before !== undefined)
  }
}
