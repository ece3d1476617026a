import type { Bus } from '#bus/bus.ts'
import type { Logger } from '#lib/logger.ts'
import { hideSignatures } from '#lib/redact.ts'

/** Different names that are told apart, at most; the rest counts as `other`. */
const MAX_NAMES = 32
const MAX_LENGTH = 64
/** Between two messages on the bus, ms. */
const SAY_EVERY = 10_000

/**
 * Counts the relay's messages that nobody here knows, and says so in the log, once for each name, and in
 * `relay-bridge/state`: clips that had no handler were missed for months (FIELD_FAILURES A22).
 */
export class UnknownTypes implements Disposable {
  readonly #bus: Pick<Bus, 'setState'>
  readonly #log: Logger
  readonly #every: number
  readonly #counts = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(bus: Pick<Bus, 'setState'>, log: Logger, every = SAY_EVERY) {
    this.#bus = bus
    this.#log = log
    this.#every = every
  }

  count(type: string): void {
    const short = hideSignatures(type).slice(0, MAX_LENGTH).toWellFormed()
    const name = this.#counts.has(short) || this.#counts.size < MAX_NAMES ? short : 'other'
    const before = this.#counts.get(name) ?? 0
    this.#counts.set(name, before + 1)
    if (before === 0)
      this.#log.warn({ type: name }, 'unknown message of the relay, passed on to the bus as it is')
    this.#timer ??= setTimeout(() => this.#say(), before === 0 ? 0 : this.#every)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #say(): void {
    this.#timer = undefined
    this.#bus.setState({ unknown_types: Object.fromEntries(this.#counts) })
  }
}
