import { existsSync } from 'node:fs'
import type { Logger } from '#lib/logger.ts'
import { relayHttp } from './relay-address.ts'

/** No robot of this software can have been made before; a Pi without a clock battery wakes up in the past. */
const EARLIEST = Date.UTC(2026, 0, 1)
/** systemd-timesyncd makes the folder when it starts and the file when the clock is right (systemd-timesyncd.service(8)). */
const TIMESYNC = '/run/systemd/timesync'
const ANSWER_WITHIN = 3_000
/** A crystal drifts by seconds a day. */
const ASK_EVERY = 10 * 60_000
const DRIFT = 100e-6

export interface Age {
  ms: number
  /** The relay's clock said so. */
  byRelay: boolean
  /** It may be wrong by so much, ms. */
  error?: number
}

/** What the age of a command is reckoned by. */
export interface CommandClock {
  /** Age of something with this time, in ms; undefined when nobody knows. */
  age(issuedAt: number): Age | undefined
}

/**
 * The relay's clock, kept by our monotonic one, so that a clock that is set here changes nothing. Until the relay has
 * told its time our own counts, if it is set. API_CONTRACT 2.2, FIELD_FAILURES B03, B08.
 */
export class RelayClock implements CommandClock, Disposable {
  readonly #own: () => { now: number; synchronised: boolean }
  readonly #log: Logger
  /** Relay's time minus `performance.now()`, ms, and how far that may be off. */
  #offset: { ms: number; error: number; at: number } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(log: Logger, own = ownClock) {
    this.#log = log
    this.#own = own
  }

  age(issuedAt: number): Age | undefined {
    if (this.#offset) {
      const { ms, error, at } = this.#offset
      const now = performance.now()
      return { ms: now + ms - issuedAt, byRelay: true, error: error + (now - at) * DRIFT }
    }
    const { now, synchronised } = this.#own()
    return synchronised ? { ms: now - issuedAt, byRelay: false } : undefined
  }

  /** The `Date` header of an answer of the relay, whole seconds, that was asked for `took` ms ago. */
  heardDate(header: string | undefined, took = 0): void {
    const date = Date.parse(header ?? '')
    if (Number.isNaN(date)) return
    this.#learn({ ms: date + 500 + took / 2 - performance.now(), error: 500 + took / 2 })
  }

  /** Asks the relay now and then. */
  follow(relay: URL): void {
    clearInterval(this.#timer)
    this.#timer = setInterval(() => void this.ask(relay), ASK_EVERY)
    this.#timer.unref()
    void this.ask(relay)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  /** Asks the relay for its time to the millisecond; one that has no such answer changes nothing. Never rejects. */
  async ask(relay: URL): Promise<void> {
    const address = relayHttp(relay, `/debug/latency?client_ts=${Date.now()}`)
    const before = performance.now()
    try {
      const response = await fetch(address, { signal: AbortSignal.timeout(ANSWER_WITHIN), redirect: 'error' })
      const { server_ts: time } = (await response.json()) as { server_ts?: unknown }
      const after = performance.now()
      if (!response.ok || typeof time !== 'number' || time < EARLIEST) return
      this.#learn({ ms: time - (before + after) / 2, error: (after - before) / 2 })
    } catch (err) {
      this.#log.debug({ reason: (err as Error).message }, 'the relay does not tell its time')
    }
  }

  /** The newest word counts, unless it is a coarse one that agrees with a finer one of before. */
  #learn(heard: { ms: number; error: number }): void {
    const known = this.#offset
    if (known && heard.error > known.error && Math.abs(heard.ms - known.ms) < 2 * heard.error) return
    this.#offset = { ...heard, at: performance.now() }
  }
}

function ownClock(): { now: number; synchronised: boolean } {
  const now = Date.now()
  return {
    now,
    synchronised: now >= EARLIEST && (!existsSync(TIMESYNC) || existsSync(`${TIMESYNC}/synchronized`)),
  }
}
