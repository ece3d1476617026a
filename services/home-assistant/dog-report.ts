import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Presence } from './presence.ts'

interface DogReportOptions {
  bus: Bus
  presence: Presence
  /** A new time of `lastSeen` is published. */
  onSeen(at: number): void
  /** A dog has come into view, or has been away for long enough. */
  onChange(event: 'seen' | 'left'): void
  now?: () => number
}

/** Interval of new times while a dog is present: Home Assistant records each of them. */
const LAST_SEEN_INTERVAL_MS = 60_000
/** A dog that was seen so recently before a restart has not come again; the file is up to a minute old. */
const STILL_THERE_MS = 2 * LAST_SEEN_INTERVAL_MS

/** Publishes changes on `homeassistant/dog`. */
export class DogReport {
  readonly #options: DogReportOptions
  readonly #now: () => number
  #present: boolean | null | undefined
  #lastSeen: number | undefined
  /** By the last event. */
  #isThere: boolean

  constructor(options: DogReportOptions) {
    this.#options = options
    this.#now = options.now ?? performance.now.bind(performance)
    this.#lastSeen = options.presence.lastSeen
    this.#isThere = this.#lastSeen !== undefined && Date.now() - this.#lastSeen < STILL_THERE_MS
  }

  /** Publishes if presence or time changed. */
  update(): void {
    const { presence, onSeen } = this.#options
    const present = presence.at(this.#now())
    const { lastSeen } = presence
    const isOld = lastSeen !== undefined && lastSeen - (this.#lastSeen ?? 0) >= LAST_SEEN_INTERVAL_MS
    if (present === this.#present && !isOld) return
    this.#present = present
    // while unknown, nothing has happened
    if (present !== null && present !== this.#isThere) {
      this.#isThere = present
      this.#options.onChange(present ? 'seen' : 'left')
    }
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
