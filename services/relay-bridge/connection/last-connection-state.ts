import { AtomicFile } from '#lib/atomic-file.ts'
import type { Logger } from '#lib/logger.ts'

/** A relay that waits for our predecessor forgets the next one 20 s after it was accepted (API_CONTRACT 8). */
const GHOST_AFTER = 25_000

interface Facts {
  /** By the wall clock, since it must be told across a restart, ms. */
  opened_at: number
  registered: boolean
}

/**
 * Remembers on the disk how the last connection stood, so that a new process knows whether the one before left a
 * socket that the relay may hold on to. API_CONTRACT 8, registration and ghosts.
 */
export class LastConnection implements AsyncDisposable {
  readonly #file: AtomicFile
  #before: Facts | undefined

  private constructor(file: AtomicFile, before: Facts | undefined) {
    this.#file = file
    this.#before = before
  }

  static async load(path: string, log: Logger): Promise<LastConnection> {
    const file = new AtomicFile(path, log)
    return new LastConnection(file, parse(await file.read()))
  }

  /** The process before ended without a goodbye to a relay that knew it. */
  get wasUnclean(): boolean {
    return this.#before?.registered ?? false
  }

  /** Time to wait, in ms, before the first dial: dialling on top of an abandoned try makes a ghost. */
  get holdOff(): number {
    if (!this.#before || this.#before.registered) return 0
    const age = Date.now() - this.#before.opened_at
    // a clock that was set since tells nothing
    return age >= 0 && age < GHOST_AFTER ? GHOST_AFTER - age : 0
  }

  opened(): void {
    this.#save({ opened_at: Date.now(), registered: false })
  }

  registered(): void {
    this.#save({ opened_at: Date.now(), registered: true })
  }

  /** The relay knows that the connection is over. */
  closed(): void {
    this.#before = undefined
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
