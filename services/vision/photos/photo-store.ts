import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { VisionSection } from '../config.ts'

/** Files of ours; anything else in the folder is left alone. */
const NAME = /^photo-[\dTZ.-]+\.jpg$/
/** What a photo is called until it is whole. */
const PART = '.part'
const MiB = 1024 * 1024
/** Names given out that are remembered, for photos that never get to the disk. */
const MOST_NAMES = 100

interface Kept {
  name: string
  bytes: number
  /** When it was written, or just after the one before it where the clock has been set back. Milliseconds since 1970. */
  written: number
}

/**
 * Photos on the disk: so many, and so many MiB, at most; the oldest go first. How old they are their files tell, not
 * their names: a robot without a clock of its own starts at some time past, and each file is made newer than the last.
 */
export class Album {
  readonly #folder: string
  readonly #limits: VisionSection['photos']
  /** When the newest was written. */
  #newest = 0
  readonly #given = new Set<string>()
  /** One after the other, so that two photos never prune at once. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(folder: string, limits: VisionSection['photos']) {
    this.#folder = folder
    this.#limits = limits
  }

  /** Removes what is too much, and what a crash has left half written. To be called before the first photo. */
  tidy(): Promise<void> {
    return this.#inTurn(async () => {
      const names = await readdir(this.#folder).catch(() => [])
      const parts = names.filter((name) => name.endsWith(PART) && NAME.test(name.slice(0, -PART.length)))
      for (const name of parts) await rm(join(this.#folder, name), { force: true })
      await this.#prune()
    })
  }

  /** A name for a photo of this time, milliseconds since 1970, that no other photo has. */
  async nameFor(time: number): Promise<string> {
    const names = await readdir(this.#folder).catch(() => [])
    const taken = new Set([...names, ...this.#given])
    let name = photoName(time)
    for (let count = 2; taken.has(name); count++) name = photoName(time, count)
    this.#given.add(name)
    const [first = ''] = this.#given
    if (this.#given.size > MOST_NAMES) this.#given.delete(first)
    return name
  }

  /** Keeps a photo under that name and removes what is too much. Rejects with the system's error when it cannot. */
  add(name: string, jpeg: Buffer): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#limits.keep === 0) return
      await mkdir(this.#folder, { recursive: true })
      const part = join(this.#folder, `${name}${PART}`)
      try {
        await writeFile(part, jpeg, { mode: 0o640 })
        await this.#makeNewest(part)
        await rename(part, join(this.#folder, name))
      } catch (err) {
        await rm(part, { force: true })
        throw err
      }
      await this.#prune()
    })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  async #makeNewest(path: string): Promise<void> {
    if ((await stat(path)).mtimeMs > this.#newest) return
    const time = new Date(Math.floor(this.#newest) + 1)
    await utimes(path, time, time)
  }

  async #prune(): Promise<void> {
    const photos = await this.#photos()
    this.#newest = photos[0]?.written ?? 0
    let bytes = 0
    for (const [index, photo] of photos.entries()) {
      bytes += photo.bytes
      if (index < this.#limits.keep && bytes <= this.#limits.max_mb * MiB) continue
      await rm(join(this.#folder, photo.name), { force: true })
    }
  }

  /** The newest first. */
  async #photos(): Promise<Kept[]> {
    const photos: Kept[] = []
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const facts = NAME.test(name) && (await stat(join(this.#folder, name)).catch(() => undefined))
      if (facts) photos.push({ name, bytes: facts.size, written: facts.mtimeMs })
    }
    // copied files may be of one moment
    return photos.sort((a, b) => b.written - a.written || (a.name < b.name ? 1 : -1))
  }
}

/** `photo-2026-11-23T10-15-30.123Z.jpg`, and `…Z-2.jpg` for the second of it: a file name everywhere. */
function photoName(time: number, count = 1): string {
  return `photo-${new Date(time).toISOString().replaceAll(':', '-')}${count > 1 ? `-${count}` : ''}.jpg`
}
