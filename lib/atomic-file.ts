import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from './logger.ts'

/** A small file that is either the old or the new one, whatever happens in between. Writes are in order, the newest wins. */
export class AtomicFile implements AsyncDisposable {
  readonly #path: string
  readonly #log: Logger
  #waiting: string | undefined
  #writing: Promise<void> | undefined
  #failed = false

  constructor(path: string, log: Logger) {
    this.#path = path
    this.#log = log
  }

  /** Its text; undefined when there is none yet, or none that can be read, which is logged. */
  async read(): Promise<string | undefined> {
    try {
      return await readFile(this.#path, 'utf8')
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#log.warn({ path: this.#path, err }, 'file cannot be read, going on without it')
      }
      return undefined
    }
  }

  /** Writes `text` soon; of several in a row only the newest. Never throws: a disk that is full is logged, once. */
  save(text: string): void {
    this.#waiting = text
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when everything is on the disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
  }

  async #write(): Promise<void> {
    while (this.#waiting !== undefined) {
      const text = this.#waiting
      this.#waiting = undefined
      try {
        await replace(this.#path, text)
        this.#failed = false
      } catch (err) {
        if (!this.#failed) {
          this.#log.error(
            { path: this.#path, err },
            'cannot be written: is the disk full, or data_dir read-only?',
          )
        }
        this.#failed = true
      }
    }
  }
}

/** The new text lies whole on the disk before it takes the name of the old. */
async function replace(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.new`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}
