import { EventEmitter } from 'node:events'
import type { Logger } from '#lib/logger.ts'
import { getRelayJson } from './relay-http.ts'

export interface CheckTimes {
  /** From the registration to the first check, and between the checks of the first minutes, in ms. */
  delay: number
  /** Interval of the later checks. */
  interval: number
  /** Deadline of the relay's answer. */
  answer: number
  /** A command or request received this late after the registration proves it. */
  proofAfter: number
}

export const CHECK_TIMES: CheckTimes = {
  delay: 30_000,
  interval: 300_000,
  answer: 2_000,
  proofAfter: 22_000,
}
/** A stale registration can be listed for 90 s. */
const CLOSE_CHECKS = 5

interface CheckDeps {
  deviceId: string
  relay: URL
  /** Headers that authenticate the robot: the relay may list robots only for those and for its token. */
  auth?: () => Record<string, string>
  log: Logger
  times: CheckTimes
}

/**
 * After an unclean loss the relay may leave the new connection open, answer its pings and route nothing to it
 * (docs/relay-protocol.md, stale registrations). The only proof of the contrary is a frame that the relay routed here. Until
 * one arrives this checks again and again whether the relay lists the robot, and reports a stale registration if not, or
 * if the relay has no list.
 */
export class StaleRegistrationCheck extends EventEmitter<{ stale: [reason: string] }> implements Disposable {
  readonly #deps: CheckDeps
  #timer: NodeJS.Timeout | undefined
  #registeredAt = 0

  constructor(deps: CheckDeps) {
    super()
    this.#deps = deps
  }

  /** The relay has answered on a new socket. */
  registered({ afterUncleanLoss }: { afterUncleanLoss: boolean }): void {
    clearTimeout(this.#timer)
    this.#registeredAt = performance.now()
    if (afterUncleanLoss) this.#schedule(1)
  }

  /** A frame arrived that the relay routed to this robot. */
  routed(): void {
    if (performance.now() - this.#registeredAt >= this.#deps.times.proofAfter) clearTimeout(this.#timer)
  }

  /** The connection has ended. */
  lost(): void {
    clearTimeout(this.#timer)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #schedule(check: number): void {
    const { delay, interval } = this.#deps.times
    this.#timer = setTimeout(() => void this.#check(check), check <= CLOSE_CHECKS ? delay : interval)
  }

  async #check(check: number): Promise<void> {
    const timer = this.#timer
    const listed = await isListed(this.#deps)
    if (timer !== this.#timer) return // another connection by now
    if (listed) return this.#schedule(check + 1)
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
  auth,
  times,
}: Pick<CheckDeps, 'relay' | 'deviceId' | 'auth'> & { times: Pick<CheckTimes, 'answer'> }): Promise<
  boolean | undefined
> {
  try {
    const body = (await getRelayJson(relay, '/debug/pairing', {
      timeout: times.answer,
      headers: auth?.() ?? {},
    })) as { robot_connections?: unknown } | undefined
    if (body?.robot_connections === undefined) return undefined
    return JSON.stringify(body.robot_connections).includes(JSON.stringify(deviceId))
  } catch {
    return undefined
  }
}
