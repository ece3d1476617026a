import type { Bus } from '#bus/bus.ts'
import type { Logger } from '#lib/logger.ts'

/** The relay sends `profiles` at once to a robot that has an owner (API_CONTRACT 1.6); this long we wait for them, ms. */
const PAIRED_WITHIN = 60_000

interface PairingDeps {
  bus: Pick<Bus, 'setState'>
  log: Logger
  /** Is the link up? */
  online: () => boolean
  within?: number | undefined
}

/** Notices a robot without an owner: the relay says nothing of it, and drops all that it is told (FIELD_FAILURES A26). */
export class Pairing implements Disposable {
  readonly #deps: PairingDeps
  #paired: boolean | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(deps: PairingDeps) {
    this.#deps = deps
  }

  /** The relay knows us. */
  registered(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#noProfiles(), this.#deps.within ?? PAIRED_WITHIN)
  }

  /** The owner's dogs came. */
  profilesCame(): void {
    clearTimeout(this.#timer)
    this.#say(true)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #noProfiles(): void {
    if (!this.#deps.online() || this.#paired === false) return
    this.#deps.log.info('no profiles from the relay: is this robot paired with an owner in the app?')
    this.#say(false)
  }

  #say(paired: boolean): void {
    if (paired === this.#paired) return
    this.#paired = paired
    this.#deps.bus.setState({ paired })
  }
}
