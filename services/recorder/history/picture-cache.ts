import { readdirSync, statSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createFolder } from '#lib/process/disk.ts'

/** JPEG files in one folder, bounded in bytes: the least recently used is deleted first. */
export class PictureCache {
  readonly #folder: string
  readonly #maxBytes: number
  /** Sizes by name, the least recently used first. */
  readonly #files = new Map<string, number>()
  #bytes = 0

  constructor(folder: string, maxBytes: number) {
    this.#folder = folder
    this.#maxBytes = maxBytes
    for (const { name, size } of existing(folder)) this.#note(name, size)
  }

  /** Undefined when it is not there. */
  async read(name: string): Promise<Buffer | undefined> {
    const size = this.#files.get(name)
    if (size === undefined) return undefined
    try {
      const bytes = await readFile(join(this.#folder, name))
      this.#note(name, bytes.length)
      return bytes
    } catch {
      this.#forget(name)
      return undefined
    }
  }

  /** Rejects with the system's error; then nothing of it is left. */
  async write(name: string, bytes: Buffer): Promise<void> {
    createFolder(this.#folder)
    const path = join(this.#folder, name)
    try {
      await writeFile(`${path}.new`, bytes)
      await rename(`${path}.new`, path)
    } catch (err) {
      await rm(`${path}.new`, { force: true }).catch(() => {})
      throw err
    }
    this.#note(name, bytes.length)
    for (const oldest of this.#files.keys()) {
      if (this.#bytes <= this.#maxBytes || oldest === name) break
      await this.delete(oldest)
    }
  }

  async delete(name: string): Promise<void> {
    if (!this.#files.has(name)) return
    this.#forget(name)
    await rm(join(this.#folder, name), { force: true }).catch(() => {})
  }

  #note(name: string, size: number): void {
    this.#forget(name)
    this.#files.set(name, size)
    this.#bytes += size
  }

  #forget(name: string): void {
    this.#bytes -= this.#files.get(name) ?? 0
    this.#files.delete(name)
  }
}

/** The files of an earlier run, the oldest first. */
function existing(folder: string): { name: string; size: number }[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.jpg'))
      .flatMap((name) => {
        const found = statSync(join(folder, name), { throwIfNoEntry: false })
        return found ? [{ name, size: found.size, at: found.mtimeMs }] : []
      })
      .sort((a, b) => a.at - b.at)
  } catch {
    return [] // no folder yet
  }
}
