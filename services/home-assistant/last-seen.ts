import { join } from 'node:path'
import { AtomicFile } from '#lib/atomic-file.ts'
import type { Logger } from '#lib/logger.ts'

/** When a dog was last seen, ms since the epoch: a robot that was off still knows it. */
export class LastSeenFile implements AsyncDisposable {
  readonly #file: AtomicFile

  constructor(dataDir: string, log: Logger) {
    this.#file = new AtomicFile(join(dataDir, 'homeassistant', 'last-seen'), log)
  }

  /** undefined when nobody knows. */
  async read(): Promise<number | undefined> {
    const at = Date.parse((await this.#file.read())?.trim() ?? '')
    return Number.isNaN(at) ? undefined : at
  }

  save(at: number): void {
    this.#file.save(`${new Date(at).toISOString()}\n`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file[Symbol.asyncDispose]()
  }
}
