import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Presence } from './presence.ts'

interface DogReportOptions {
  bus: Bus
  presence: Presence
  /** A new time of `lastSeen` is published. */
  onSeen(at: number): void
  now?: () => number
}

/** Interval of new times while a dog is present: Home Assistant records each of them. */
const LAST_SEEN_INTERVAL_MS = 60_000

/** Publishes changes on `homeassistant/dog`. */
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

  /** Publishes if presence or time changed. */
  update(): void {
    const { presence, onSeen } = this.#options
    const present = presence.at(this.#now())
    const { lastSeen } = presence
    const isOld = lastSeen !== undefined && lastSeen - (this.#lastSeen ?? 0) >= LAST_SEEN_INTERVAL_MS
    if (present === this.#present && !isOld) return
    this.#present = present
    if (lastSeen !== undefined && lastSeen !== this.#lastSeen) onSeen(lastSeen)
    this.#lastSeen = lastSeen
    this.publish()
  }

  /** Publishes the current state. */
  publish(): void {
    const message = {
      present: this.#present ?? null,
      last_seen: this.#lastSeen === undefined ? null : new Date(this.#lastSeen).toISOString(),
    }
    this.#options.bus.publish(topics.dog, message).catch(() => {}) // logged by the bus
  }
}
