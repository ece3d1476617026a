import { join } from 'node:path'
import { AtomicFile } from '#lib/atomic-file.ts'
import type { Logger } from '#lib/logger.ts'

/** File with the time when a dog was last seen (ms since the epoch); it survives a restart. */
export class LastSeenFile implements AsyncDisposable {
  readonly #file: AtomicFile

  constructor(dataDir: string, log: Logger) {
    this.#file = new AtomicFile(join(dataDir, 'homeassistant', 'last-seen'), log)
  }

  /** Undefined when unknown. */
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
