import { AtomicFile } from '#lib/atomic-file.ts'
import type { Logger } from '#lib/logger.ts'

/** Dialing sooner after an abandoned attempt leaves a stale registration (docs/relay-protocol.md, stale registrations). */
const HOLD_OFF_MS = 25_000

interface Facts {
  /** By the wall clock, ms since the epoch: it is compared by the next process. */
  opened_at: number
  registered: boolean
}

/**
 * How the last connection ended: whether the relay may still hold a socket of this robot. On disk too, for the next
 * process.
 */
export class LastConnection implements AsyncDisposable {
  readonly #file: AtomicFile
  readonly #previous: Facts | undefined
  /** Opening of the newest socket that was never registered, by the monotonic clock. */
  #abandonedAt: number | undefined

  private constructor(file: AtomicFile, previous: Facts | undefined) {
    this.#file = file
    this.#previous = previous
    if (!previous || previous.registered) return
    const age = Date.now() - previous.opened_at
    // negative: the clock was set back since, so the age is unknown
    this.#abandonedAt = performance.now() - Math.max(0, age)
  }

  static async load(path: string, log: Logger): Promise<LastConnection> {
    const file = new AtomicFile(path, log)
    return new LastConnection(file, parse(await file.read()))
  }

  /** The previous process ended a registered connection without a close frame. */
  get wasUnclean(): boolean {
    return this.#previous?.registered ?? false
  }

  /**
   * Wait before the next dial, ms. A socket that opened and ended before it was registered is an abandoned attempt, however
   * it ended: the relay may register it late and thereby replace the next one.
   */
  get holdOff(): number {
    if (this.#abandonedAt === undefined) return 0
    return Math.max(0, this.#abandonedAt + HOLD_OFF_MS - performance.now())
  }

  /** A socket opened: an abandoned attempt unless `registered` follows. */
  opened(): void {
    this.#abandonedAt = performance.now()
    this.#save({ opened_at: Date.now(), registered: false })
  }

  registered(): void {
    this.#abandonedAt = undefined
    this.#save({ opened_at: Date.now(), registered: true })
  }

  /** A registered connection ended with a close frame. */
  closed(): void {
    this.#abandonedAt = undefined
    this.#file.save('')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]()
  }

  #save(facts: Facts): void {
    this.#file.save(JSON.stringify(facts))
  }
}

function parse(text: string | undefined): Facts | undefined {
  try {
    const { opened_at, registered } = JSON.parse(text || '{}') as Partial<Facts>
    return typeof opened_at === 'number' ? { opened_at, registered: registered === true } : undefined
  } catch {
    return undefined
  }
}
