import type { Logger } from '#lib/logger.ts'
import { relayHttp } from './relay-address.ts'

export interface GhostTimes {
  /** From the registration to the look, ms: the relay forgets a ghost 20 s after it was accepted. */
  look: number
  /** Until its answer is due. */
  answer: number
  /** A command or request this late after the registration proves that we are known. */
  proofAfter: number
}

export const GHOST_TIMES: GhostTimes = { look: 30_000, answer: 2_000, proofAfter: 22_000 }

interface GhostDeps {
  deviceId: string
  relay: URL
  log: Logger
  times: GhostTimes
  /** Closes the link in good order and dials again. */
  redial(reason: string): void
}

/**
 * After an unclean loss the relay may leave the new connection open, answer its pings and route nothing to it, for
 * ever (API_CONTRACT 8). So once after such a reconnect we ask the relay whether it knows us; one that does not answer
 * is dialled again to be sure, unless something was routed to us meanwhile.
 */
export class GhostCheck implements Disposable {
  readonly #deps: GhostDeps
  #timer: NodeJS.Timeout | undefined
  #registeredAt = 0
  #proven = false

  constructor(deps: GhostDeps) {
    this.#deps = deps
  }

  /** The relay has answered on a new socket. */
  registered({ afterUncleanLoss }: { afterUncleanLoss: boolean }): void {
    clearTimeout(this.#timer)
    this.#registeredAt = performance.now()
    this.#proven = false
    if (!afterUncleanLoss) return
    this.#timer = setTimeout(() => {
      this.#look().catch((err: unknown) => this.#deps.log.warn({ err }, 'the ghost check failed'))
    }, this.#deps.times.look)
  }

  /** A frame came that the relay had to route to us. */
  routed(): void {
    if (performance.now() - this.#registeredAt >= this.#deps.times.proofAfter) this.#proven = true
  }

  /** The link is gone. */
  lost(): void {
    clearTimeout(this.#timer)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    const since = this.#registeredAt
    const known = await isKnown(this.#deps)
    if (since !== this.#registeredAt) return // another link by now
    if (known || (known === undefined && this.#proven)) return
    const reason =
      known === false ? 'the relay has forgotten us' : 'the relay does not say whether it knows us'
    this.#deps.log.warn({ reason }, 'dialling again after an unclean loss')
    this.#deps.redial(reason)
  }
}

/** Whether `GET /debug/pairing` names this device; undefined when it does not answer in time. */
export async function isKnown({
  relay,
  deviceId,
  times,
}: Pick<GhostDeps, 'relay' | 'deviceId'> & { times: Pick<GhostTimes, 'answer'> }): Promise<
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
