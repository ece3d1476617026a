import type { Bus } from '#bus/bus.ts'
import type { Logger } from '#lib/logger.ts'

/** The relay sends `profiles` on registration to a robot that has an owner. */
const PAIRED_WITHIN_MS = 60_000

interface PairingDeps {
  bus: Pick<Bus, 'setState'>
  log: Logger
  connection: { readonly registered: boolean }
  within?: number | undefined
}

/** Detects a robot without an owner: the relay does not report it, and discards all its events (docs/field-failures.md, A26). */
export class Pairing implements Disposable {
  readonly #deps: PairingDeps
  #paired: boolean | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(deps: PairingDeps) {
    this.#deps = deps
  }

  /** The connection is registered. */
  registered(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#noProfiles(), this.#deps.within ?? PAIRED_WITHIN_MS)
  }

  profilesReceived(): void {
    clearTimeout(this.#timer)
    this.#publish(true)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #noProfiles(): void {
    if (!this.#deps.connection.registered || this.#paired === false) return
    this.#deps.log.info('no profiles from the relay: is this robot paired with an owner in the app?')
    this.#publish(false)
  }

  #publish(paired: boolean): void {
    if (paired === this.#paired) return
    this.#paired = paired
    this.#deps.bus.setState({ paired })
  }
}
