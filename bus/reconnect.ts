import type { MqttClient } from 'mqtt'
import type { BusLog } from './client.ts'
import type { Warn } from './warnings.ts'

/** Bounds of the waits between tries, ms: a service is back within 3 s of its broker. */
const FIRST_WAIT = 100
const LONGEST_WAIT = 1_000
/** A connection that lived this long was a good one; one that breaks sooner proves nothing. */
const STABLE_AFTER = 5_000

/** Paces MQTT.js's tries, whose own are neither spread nor backed off, and tells of losses. */
export class Reconnect {
  readonly #client: MqttClient
  readonly #log: BusLog
  readonly #warn: Warn
  readonly #url: string
  #attempts = 0
  #connectedAt: number | undefined

  constructor(client: MqttClient, options: { log: BusLog; warn: Warn; url: string }) {
    this.#client = client
    this.#log = options.log
    this.#warn = options.warn
    // without user and password: it is for the log
    this.#url = options.url.replace(/(?<=\/\/)[^/]*@/, '')
  }

  connected(): void {
    this.#connectedAt = performance.now()
    if (this.#attempts <= 1) this.#log.info({ url: this.#url }, 'connected to the bus')
  }

  lost(): void {
    const lived = this.#connectedAt === undefined ? undefined : performance.now() - this.#connectedAt
    if (lived !== undefined && lived > STABLE_AFTER) this.#attempts = 0
    const facts = { url: this.#url, attempts: this.#attempts }
    if (this.#attempts === 0) this.#log.warn(facts, 'no connection to the bus, trying again')
    else if (lived !== undefined)
      this.#warn('flapping', facts, 'bus lost again; does this service run twice?')
    this.#connectedAt = undefined
    // full jitter, so that services do not come back in step
    const limit = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempts++)
    this.#client.options.reconnectPeriod = 50 + Math.random() * limit
  }
}
