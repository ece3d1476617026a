import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { VisionSection } from '../config.ts'

/** Files of ours; anything else in the folder is left alone. */
const NAME = /^photo-[\dTZ.-]+\.jpg$/
/** What a photo is called until it is whole. */
const PART = '.part'
const MiB = 1024 * 1024
/** Names given out that are remembered, for photos that never get to the disk. */
const MOST_NAMES = 100

/** Photos on the disk: so many, and so many MiB, at most; the oldest go first. */
export class Album {
  readonly #folder: string
  readonly #limits: VisionSection['photos']
  /** Photos of this run, the newest last: what their names say depends on a clock that may have been set meanwhile. */
  readonly #added = new Set<string>()
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
        await rename(part, join(this.#folder, name))
      } catch (err) {
        await rm(part, { force: true })
        throw err
      }
      this.#added.add(name)
      await this.#prune()
    })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  async #prune(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => [])
    const before = names.filter((name) => NAME.test(name) && !this.#added.has(name)).sort()
    let bytes = 0
    let kept = 0
    for (const name of [...before, ...this.#added].reverse()) {
      const path = join(this.#folder, name)
      bytes += (await stat(path).catch(() => undefined))?.size ?? 0
      if (kept < this.#limits.keep && bytes <= this.#limits.max_mb * MiB) {
        kept++
        continue
      }
      await rm(path, { force: true })
      this.#added.delete(name)
    }
  }
}

/** `photo-2026-11-23T10-15-30.123Z.jpg`, and `…Z-2.jpg` for the second of it: sorts by time, a file name everywhere. */
function photoName(time: number, count = 1): string {
  return `photo-${new Date(time).toISOString().replaceAll(':', '-')}${count > 1 ? `-${count}` : ''}.jpg`
}
