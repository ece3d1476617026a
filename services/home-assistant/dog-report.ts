import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Presence } from './presence.ts'

interface DogReportOptions {
  bus: Bus
  presence: Presence
  /** A new time of `lastSeen` was told. */
  onSeen(at: number): void
  now?: () => number
}

/** While a dog is there, Home Assistant writes down a new time so often, ms. */
const LAST_SEEN_EVERY = 60_000

/** Says on `homeassistant/dog` what changes. */
export class DogReport {
  readonly #options: DogReportOptions
  readonly #now: () => number
  #present: boolean | null | undefined
  #lastSeen: number | undefined

  constructor(options: DogReportOptions) {
    this.#options = options
    this.#now = options.now ?? performance.now.bind(performance)
    this.#lastSeen = options.presence.lastSeen
  }

  /** Looks whether there is something to say. */
  look(): void {
    const { presence, onSeen } = this.#options
    const present = presence.at(this.#now())
    const { lastSeen } = presence
    const isOld = lastSeen !== undefined && lastSeen - (this.#lastSeen ?? 0) >= LAST_SEEN_EVERY
    if (present === this.#present && !isOld) return
    this.#present = present
    if (lastSeen !== undefined && lastSeen !== this.#lastSeen) onSeen(lastSeen)
    this.#lastSeen = lastSeen
    this.say()
  }

  /** Says it, changed or not. */
  say(): void {
    const message = {
      present: this.#present ?? null,
      last_seen: this.#lastSeen === undefined ? null : new Date(this.#lastSeen).toISOString(),
    }
    this.#options.bus.publish(topics.dog, message).catch(() => {}) // the bus warns
  }
}
