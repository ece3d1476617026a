import { AtomicFile } from '#lib/atomic-file.ts'
import type { Logger } from '#lib/logger.ts'

/** Dialing sooner after an abandoned attempt leaves a stale registration (docs/relay-protocol.md). */
const HOLD_OFF_MS = 25_000

interface Facts {
  /** By the wall clock, ms since the epoch: it is compared by the next process. */
  opened_at: number
  registered: boolean
}

/**
 * Stores how the last connection ended, so that a new process knows whether the relay may still hold a socket of the
 * previous one. See docs/relay-protocol.md, stale registrations.
 */
export class LastConnection implements AsyncDisposable {
  readonly #file: AtomicFile
  #previous: Facts | undefined

  private constructor(file: AtomicFile, previous: Facts | undefined) {
    this.#file = file
    this.#previous = previous
  }

  static async load(path: string, log: Logger): Promise<LastConnection> {
    const file = new AtomicFile(path, log)
    return new LastConnection(file, parse(await file.read()))
  }

  /** The previous process ended a registered connection without a close frame. */
  get wasUnclean(): boolean {
    return this.#previous?.registered ?? false
  }

  /** Wait before the first dial, ms. */
  get holdOff(): number {
    if (!this.#previous || this.#previous.registered) return 0
    const age = Date.now() - this.#previous.opened_at
    // negative: the clock was set back since
    return age >= 0 && age < HOLD_OFF_MS ? HOLD_OFF_MS - age : 0
  }

  opened(): void {
    this.#save({ opened_at: Date.now(), registered: false })
  }

  registered(): void {
    this.#save({ opened_at: Date.now(), registered: true })
  }

  /** The relay knows that the connection has ended. */
  closed(): void {
    this.#previous = undefined
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
