/** The owner of privacy: what a command or the schedule decides, stored in `data_dir` and published on `state/privacy`. */
import { EventEmitter } from 'node:events'
import type { Bus } from '#bus/bus.ts'
import type { PrivacyState } from '#bus/clip-messages.ts'
import { topics } from '#bus/topics.ts'
import type { AtomicFile } from '#lib/atomic-file.ts'
import type { Logger } from '#lib/logger.ts'
import { privacyFile, readPrivacy, type StoredPrivacy } from '#lib/media/privacy.ts'
import type { Schedule } from './schedule.ts'

interface PrivacySwitchEvents {
  /** Privacy was turned on or off. */
  change: [enabled: boolean]
}

interface PrivacySwitchOptions {
  bus: Bus
  log: Logger
  dataDir: string
  schedule: Schedule
  /** ms since the epoch */
  now?: () => number
}

/** A set clock is noticed after this time. */
const MAX_WAIT_MS = 10_000
const MIN_WAIT_MS = 20

/**
 * A command counts until its `until`; one that turns privacy off without it, until the schedule turns it on. Otherwise the
 * schedule counts.
 */
export class PrivacySwitch extends EventEmitter<PrivacySwitchEvents> implements AsyncDisposable {
  readonly #options: PrivacySwitchOptions
  readonly #now: () => number
  readonly #file: AtomicFile
  #manual: PrivacyState | null = null
  /**
   * Until then a stored `on` counts whatever the schedule says: a machine without a battery-backed clock starts in the past.
   */
  #heldUntil = 0
  #state: PrivacyState = { enabled: false, until: null, source: 'config' }
  #timer: NodeJS.Timeout | undefined

  constructor(options: PrivacySwitchOptions) {
    super()
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#file = privacyFile(options.dataDir, options.log)
  }

  get state(): PrivacyState {
    return this.#state
  }

  /** Takes over the stored state and publishes. */
  async start(): Promise<void> {
    const stored = await readPrivacy(this.#file, this.#options.log)
    // without an end it was the default, which a schedule added since takes the place of
    const manual = stored?.manual
    if (manual && (manual.enabled || manual.until !== null)) this.#manual = manual
    if (stored?.enabled) this.#heldUntil = stored.saved_at
    this.#update({ announce: true })
  }

  /** Sets it by a command. `until`: ms since the epoch. Resolves to whether it is stored. */
  async set(enabled: boolean, until: number | null, source: PrivacyState['source']): Promise<boolean> {
    const end = enabled ? null : this.#options.schedule.startAfter(this.#now())
    this.#manual = { enabled, until: until ?? end, source }
    this.#heldUntil = 0
    // an equal one may not have been stored: the disk was full
    this.#update({ announce: true, store: true })
    return await this.#file.settled()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    await this.#file[Symbol.asyncDispose]()
  }

  #update({ announce = false, store = false } = {}): void {
    const now = this.#now()
    if (this.#manual?.until && now >= this.#manual.until) this.#manual = null
    const before = this.#state
    const state = this.#evaluate(now)
    this.#state = state
    const isSame = JSON.stringify(state) === JSON.stringify(before)
    if (!isSame || announce) this.#publish()
    if (!isSame || store) this.#store(now)
    if (state.enabled !== before.enabled) this.#changed(state)
    clearTimeout(this.#timer)
    const wait = Math.min((state.until ?? Number.POSITIVE_INFINITY) - now, MAX_WAIT_MS)
    this.#timer = setTimeout(() => this.#update(), Math.max(wait, MIN_WAIT_MS)).unref()
  }

  #evaluate(now: number): PrivacyState {
    if (this.#manual) return this.#manual
    const { schedule } = this.#options
    const source = schedule.isEmpty ? 'config' : 'schedule'
    if (now < this.#heldUntil) return { enabled: true, until: this.#heldUntil, source }
    const end = schedule.endOf(now)
    return { enabled: end !== null, until: end ?? schedule.startAfter(now), source }
  }

  #changed({ enabled, until, source }: PrivacyState): void {
    const { bus, log } = this.#options
    log.info({ enabled, until, source }, enabled ? 'privacy on: camera closed' : 'privacy off')
    bus.publish(topics.event, { enabled, until, source }, { name: 'privacy_changed' }).catch(() => {}) // logged by the bus
    this.emit('change', enabled)
  }

  #publish(): void {
    this.#options.bus.publish(topics.privacy, this.#state).catch(() => {}) // logged by the bus
  }

  #store(now: number): void {
    // a clock that still is in the past at a second start must not open anything either
    const saved_at = Math.max(now, this.#heldUntil)
    const stored: StoredPrivacy = { enabled: this.#state.enabled, manual: this.#manual, saved_at }
    this.#file.save(`${JSON.stringify(stored)}\n`)
  }
}
