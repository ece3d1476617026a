import type { MqttClient } from 'mqtt'
import { type BusLog, currentUrl } from './client.ts'
import type { Warn } from './warnings.ts'

/** Bounds of the delay between attempts: a service reconnects within 3 s of its broker's return. */
const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 1_000
/** Connection time that resets the backoff. */
const STABLE_AFTER_MS = 5_000

/** Backoff with jitter for MQTT.js, which retries at a fixed period, and the log of lost connections. */
export class Reconnect {
  readonly #client: MqttClient
  readonly #log: BusLog
  readonly #warn: Warn
  readonly #url: string | readonly string[]
  #attempts = 0
  #connectedAt: number | undefined
  #lostAt: number | undefined

  constructor(client: MqttClient, options: { log: BusLog; warn: Warn; url: string | readonly string[] }) {
    this.#client = client
    this.#log = options.log
    this.#warn = options.warn
    this.#url = options.url
  }

  connected(): void {
    this.#connectedAt = performance.now()
    const outage =
      this.#lostAt === undefined ? {} : { outage_ms: Math.round(performance.now() - this.#lostAt) }
    this.#log.info({ url: currentUrl(this.#client, this.#url), ...outage }, 'connected to the bus')
    this.#lostAt = undefined
  }

  lost(): void {
    const lived = this.#connectedAt === undefined ? undefined : performance.now() - this.#connectedAt
    if (lived !== undefined && lived > STABLE_AFTER_MS) this.#attempts = 0
    const fields = { url: currentUrl(this.#client, this.#url), attempts: this.#attempts }
    if (this.#attempts === 0) this.#log.warn(fields, 'no connection to the bus, retrying')
    else if (lived !== undefined)
      this.#warn('flapping', fields, 'bus connection lost again within 5 s; is this service running twice?')
    this.#connectedAt = undefined
    this.#lostAt ??= performance.now()
    // full jitter, so that the services do not reconnect in step
    const limit = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempts++)
    this.#client.options.reconnectPeriod = 50 + Math.random() * limit
  }
}
