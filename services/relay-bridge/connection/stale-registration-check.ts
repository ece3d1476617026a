import { EventEmitter } from 'node:events'
import type { Logger } from '#lib/logger.ts'
import { relayHttp } from './relay-address.ts'

export interface CheckTimes {
  /** From the registration to the check, ms: a registration goes stale within 20 s. */
  delay: number
  /** Deadline of the relay's answer. */
  answer: number
  /** A command or request received this late after the registration proves it. */
  proofAfter: number
}

export const CHECK_TIMES: CheckTimes = { delay: 30_000, answer: 2_000, proofAfter: 22_000 }

interface CheckDeps {
  deviceId: string
  relay: URL
  log: Logger
  times: CheckTimes
}

/**
 * After an unclean loss the relay may leave the new connection open, answer its pings and route nothing to it
 * (docs/relay-protocol.md, stale registrations). Asks the relay once after such a reconnect whether it lists this robot,
 * and reports a stale registration if not, or if it does not answer and has routed nothing.
 */
export class StaleRegistrationCheck extends EventEmitter<{ stale: [reason: string] }> implements Disposable {
  readonly #deps: CheckDeps
  #timer: NodeJS.Timeout | undefined
  #registeredAt = 0
  #proven = false

  constructor(deps: CheckDeps) {
    super()
    this.#deps = deps
  }

  /** The relay has answered on a new socket. */
  registered({ afterUncleanLoss }: { afterUncleanLoss: boolean }): void {
    clearTimeout(this.#timer)
    this.#registeredAt = performance.now()
    this.#proven = false
    if (!afterUncleanLoss) return
    this.#timer = setTimeout(() => {
      this.#check().catch((err: unknown) =>
        this.#deps.log.warn({ err }, 'check for a stale registration failed'),
      )
    }, this.#deps.times.delay)
  }

  /** A frame arrived that the relay routed to this robot. */
  routed(): void {
    if (performance.now() - this.#registeredAt >= this.#deps.times.proofAfter) this.#proven = true
  }

  /** The connection has ended. */
  lost(): void {
    clearTimeout(this.#timer)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  async #check(): Promise<void> {
    const since = this.#registeredAt
    const listed = await isListed(this.#deps)
    if (since !== this.#registeredAt) return // another connection by now
    if (listed || (listed === undefined && this.#proven)) return
    const reason =
      listed === false ? 'not listed by the relay' : 'the relay does not report whether it lists this robot'
    this.#deps.log.warn({ reason }, 'stale registration suspected, reconnecting')
    this.emit('stale', reason)
  }
}

/** Whether `GET /debug/pairing` lists this device; undefined when it does not answer in time. */
export async function isListed({
  relay,
  deviceId,
  times,
}: Pick<CheckDeps, 'relay' | 'deviceId'> & { times: Pick<CheckTimes, 'answer'> }): Promise<
  boolean | undefined
> {
  const address = relayHttp(relay, '/debug/pairing')
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(times.answer), redirect: 'error' })
    const body = (await response.json()) as { robot_connections?: unknown }
    if (!response.ok || body.robot_connections === undefined) return undefined
    return JSON.stringify(body.robot_connections).includes(JSON.stringify(deviceId))
  } catch {
    return undefined
  }
}
