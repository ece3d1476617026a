import { readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createFolder } from '#lib/process/disk.ts'
import type { VisionSection } from '../config.ts'

/** Names of photos; other files in the folder are left alone. */
const NAME = /^photo-[\dTZ.-]+\.jpg$/
/** Suffix of an incomplete photo. */
const PART = '.part'
const MiB = 1024 * 1024
/** Reserved names to remember, for photos that are never stored. */
const MAX_RESERVED = 100

interface StoredPhoto {
  name: string
  bytes: number
  /** Modification time, ms since 1970; just after the photo before it where the clock was set back. */
  written: number
}

/**
 * Photos on disk, bounded in number and MiB; the oldest are deleted first. Age is by modification time, not by name, and
 * each file is made newer than the last: a robot without a real-time clock starts at some time in the past.
 */
export class PhotoStore {
  readonly #folder: string
  readonly #limits: VisionSection['photos']
  /** Modification time of the newest photo. */
  #newestAt = 0
  readonly #reserved = new Set<string>()
  /** Serializes the operations: two photos must not prune at once. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(folder: string, limits: VisionSection['photos']) {
    this.#folder = folder
    this.#limits = limits
  }

  /** Deletes excess photos, and incomplete ones of a crash. Call before the first photo. */
  tidy(): Promise<void> {
    return this.#serialize(async () => {
      const names = await readdir(this.#folder).catch(() => [])
      const parts = names.filter((name) => name.endsWith(PART) && NAME.test(name.slice(0, -PART.length)))
      for (const name of parts) await rm(join(this.#folder, name), { force: true })
      await this.#prune()
    })
  }

  /** Reserves an unused name for a photo of this time, ms since 1970. */
  async nameFor(time: number): Promise<string> {
    const names = await readdir(this.#folder).catch(() => [])
    const taken = new Set([...names, ...this.#reserved])
    let name = photoName(time)
    for (let count = 2; taken.has(name); count++) name = photoName(time, count)
    this.#reserved.add(name)
    const [first = ''] = this.#reserved
    if (this.#reserved.size > MAX_RESERVED) this.#reserved.delete(first)
    return name
  }

  /** Stores a photo under that name and deletes excess ones. Rejects with the system's error. */
  add(name: string, jpeg: Buffer): Promise<void> {
    return this.#serialize(async () => {
      if (this.#limits.keep === 0) return
      createFolder(this.#folder)
      const part = join(this.#folder, `${name}${PART}`)
      try {
        await writeFile(part, jpeg, { mode: 0o600 })
        await this.#makeNewest(part)
        await rename(part, join(this.#folder, name))
      } catch (err) {
        await rm(part, { force: true })
        throw err
      }
      await this.#prune()
    })
  }

  #serialize(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  async #makeNewest(path: string): Promise<void> {
    if ((await stat(path)).mtimeMs > this.#newestAt) return
    const time = new Date(Math.floor(this.#newestAt) + 1)
    await utimes(path, time, time)
  }

  async #prune(): Promise<void> {
    const photos = await this.#photos()
    this.#newestAt = photos[0]?.written ?? 0
    let bytes = 0
    for (const [index, photo] of photos.entries()) {
      bytes += photo.bytes
      if (index < this.#limits.keep && bytes <= this.#limits.max_mb * MiB) continue
      await rm(join(this.#folder, photo.name), { force: true })
    }
  }

  /** LatestFrame first. */
  async #photos(): Promise<StoredPhoto[]> {
    const photos: StoredPhoto[] = []
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const facts = NAME.test(name) && (await stat(join(this.#folder, name)).catch(() => undefined))
      if (facts) photos.push({ name, bytes: facts.size, written: facts.mtimeMs })
    }
    // copied files may have the same time
    return photos.sort((a, b) => b.written - a.written || (a.name < b.name ? 1 : -1))
  }
}

/** `photo-2026-11-23T10-15-30.123Z.jpg`, and `…Z-2.jpg` for the second of it: a file name everywhere. */
function photoName(time: number, count = 1): string {
  return `photo-${new Date(time).toISOString().replaceAll(':', '-')}${count > 1 ? `-${count}` : ''}.jpg`
}
