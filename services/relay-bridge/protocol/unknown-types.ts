import type { Bus } from '#bus/bus.ts'
import type { Logger } from '#lib/logger.ts'
import { hideSignatures } from '#lib/redact.ts'

/** Further names count as `other`. */
const MAX_NAMES = 32
const MAX_LENGTH = 64
/** Shortest interval of the state on the bus. */
const PUBLISH_INTERVAL_MS = 10_000

/**
 * Counts the relay's messages of unknown type: logged once per type, and shown in `relay-bridge/state`, since types without
 * a handler went unnoticed for months (docs/field-failures.md, A22).
 */
export class UnknownTypes implements Disposable {
  readonly #bus: Pick<Bus, 'setState'>
  readonly #log: Logger
  readonly #every: number
  readonly #counts = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(bus: Pick<Bus, 'setState'>, log: Logger, every = PUBLISH_INTERVAL_MS) {
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
      this.#log.warn({ type: name }, 'unknown message type from the relay; published on the bus unchanged')
    this.#timer ??= setTimeout(() => this.#publish(), before === 0 ? 0 : this.#every)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #publish(): void {
    this.#timer = undefined
    this.#bus.setState({ unknown_types: Object.fromEntries(this.#counts) })
  }
}
