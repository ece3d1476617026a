import { type Age, type CommandClock, EARLIEST_TIME, wallClock } from '#commands/command-clock.ts'
import type { Logger } from '#lib/logger.ts'
import { getRelayJson } from './relay-http.ts'

const ANSWER_TIMEOUT_MS = 3_000
/** A crystal drifts by seconds a day. */
const QUERY_INTERVAL_MS = 10 * 60_000
const DRIFT = 100e-6

/**
 * The relay's clock, extrapolated by the monotonic one, so that setting the local clock changes nothing. Until the
 * relay's time is known the local clock counts, if it is synchronized (docs/field-failures.md, B03 and B08).
 */
export class RelayClock implements CommandClock, Disposable {
  readonly #local: () => { now: number; synchronized: boolean }
  readonly #log: Logger
  /** Relay's time minus `performance.now()`, ms, and the bound of its error. */
  #offset: { ms: number; error: number; at: number } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(log: Logger, local = wallClock) {
    this.#log = log
    this.#local = local
  }

  age(issuedAt: number): Age | undefined {
    if (this.#offset) {
      const { ms, error, at } = this.#offset
      const now = performance.now()
      return { ms: now + ms - issuedAt, byRelay: true, error: error + (now - at) * DRIFT }
    }
    const { now, synchronized } = this.#local()
    return synchronized ? { ms: now - issuedAt, byRelay: false } : undefined
  }

  /** The `Date` header of a response of the relay, whole seconds; the request took `took` ms. */
  setFromDate(header: string | undefined, took = 0): void {
    const date = Date.parse(header ?? '')
    if (Number.isNaN(date)) return
    this.#learn({ ms: date + 500 + took / 2 - performance.now(), error: 500 + took / 2 })
  }

  /** Queries the relay now and in intervals. `auth` returns headers that authenticate the robot. */
  follow(relay: URL, auth: () => Record<string, string> = () => ({})): void {
    clearInterval(this.#timer)
    this.#timer = setInterval(() => void this.query(relay, auth), QUERY_INTERVAL_MS)
    this.#timer.unref()
    void this.query(relay, auth)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  /** Queries the relay's time to the millisecond; a relay without that address changes nothing. Never rejects. */
  async query(relay: URL, auth: () => Record<string, string> = () => ({})): Promise<void> {
    const before = performance.now()
    try {
      const path = `/debug/latency?client_ts=${Date.now()}`
      const answer = (await getRelayJson(relay, path, { timeout: ANSWER_TIMEOUT_MS, headers: auth() })) as
        | { server_ts?: unknown }
        | undefined
      const time = answer?.server_ts
      const after = performance.now()
      if (typeof time !== 'number' || time < EARLIEST_TIME) return
      this.#learn({ ms: time - (before + after) / 2, error: (after - before) / 2 })
    } catch (err) {
      this.#log.debug({ reason: (err as Error).message }, 'relay time not available')
    }
  }

  /** The newest sample counts, unless it is coarse and agrees with an earlier, finer one. */
  #learn(sample: { ms: number; error: number }): void {
    const known = this.#offset
    if (known && sample.error > known.error && Math.abs(sample.ms - known.ms) < 2 * sample.error) return
    this.#offset = { ...sample, at: performance.now() }
  }
}
