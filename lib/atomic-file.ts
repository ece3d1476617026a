import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from './logger.ts'
import { createFolder } from './process/disk.ts'

/** A small file that holds either the old or the new text, even after a crash. Writes are in order; the newest wins. */
export class AtomicFile implements AsyncDisposable {
  readonly #path: string
  readonly #log: Logger
  readonly #interval: number
  #pending: (() => string) | undefined
  #writing: Promise<void> | undefined
  #failed = false
  readonly #closing = new AbortController()

  /** `interval`: shortest time between two writes, ms; each write wears an SD card. */
  constructor(path: string, log: Logger, { interval = 0 } = {}) {
    this.#path = path
    this.#log = log
    this.#interval = interval
  }

  /** The text; undefined when the file does not exist, or cannot be read (logged). */
  async read(): Promise<string | undefined> {
    try {
      return await this.load()
    } catch (err) {
      this.#log.warn({ path: this.#path, err }, 'cannot read file; continuing without it')
      return undefined
    }
  }

  /** As {@link read}; rejects when the file is there, but cannot be read. */
  async load(): Promise<string | undefined> {
    try {
      return await readFile(this.#path, 'utf8')
    } catch (err) {
      const { code } = err as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw err
    }
  }

  /**
   * Writes the text in the background; of several pending texts only the newest. A function is called when the write begins.
   * Never throws: a failure is logged once.
   */
  save(text: string | (() => string)): void {
    this.#pending = typeof text === 'string' ? () => text : text
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when everything saved so far is written, to whether the newest text is. */
  async settled(): Promise<boolean> {
    await this.#writing
    return !this.#failed
  }

  /** Resolves when everything is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#writing
  }

  async #write(): Promise<void> {
    while (this.#pending !== undefined) {
      const text = this.#pending()
      this.#pending = undefined
      try {
        await replace(this.#path, text)
        this.#failed = false
      } catch (err) {
        if (!this.#failed) {
          this.#log.error(
            { path: this.#path, err },
            'cannot write file: is the disk full, or data_dir read-only?',
          )
        }
        this.#failed = true
      }
      await this.#pause()
    }
  }

  /** Resolves after the interval, or when the file is disposed. */
  async #pause(): Promise<void> {
    if (this.#interval > 0)
      await sleep(this.#interval, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {})
  }
}

/** Temp file, fsync, rename, fsync of the folder: a power cut within seconds would otherwise bring the old file back. */
async function replace(path: string, text: string): Promise<void> {
  createFolder(dirname(path))
  const draft = `${path}.new`
  try {
    await using file = await open(draft, 'w', 0o600)
    await file.writeFile(text)
    await file.sync()
  } catch (err) {
    await rm(draft, { force: true }).catch(() => {}) // half a draft takes space that a full disk does not have
    throw err
  }
  await rename(draft, path)
  await syncFolder(dirname(path))
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (err) {
    // some file systems of networks and of FUSE have no such call
    if ((err as NodeJS.ErrnoException).code !== 'EINVAL') throw err
  }
}
