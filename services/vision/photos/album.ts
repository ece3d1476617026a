import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { VisionSection } from '../config.ts'

/** Files of ours; anything else in the folder is left alone. */
const NAME = /^photo-[\dTZ.-]+\.jpg$/
const MiB = 1024 * 1024

/** Photos on the disk: so many, and so many MiB, at most; the oldest go first. */
export class Album {
  readonly #folder: string
  readonly #limits: VisionSection['photos']
  /** One after the other, so that two photos never prune at once. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(folder: string, limits: VisionSection['photos']) {
    this.#folder = folder
    this.#limits = limits
  }

  /** Keeps a photo under that name and removes what is too much. Rejects with the system's error when it cannot. */
  add(name: string, jpeg: Buffer): Promise<void> {
    const added = this.#last.then(() => this.#add(name, jpeg))
    this.#last = added.catch(() => {})
    return added
  }

  /** Removes what is too much; returns how many are left. */
  async prune(): Promise<number> {
    const names = await readdir(this.#folder).catch(() => [])
    const photos = names.filter((name) => NAME.test(name)).sort()
    let bytes = 0
    let kept = 0
    for (const name of photos.reverse()) {
      const path = join(this.#folder, name)
      bytes += (await stat(path)).size
      if (kept < this.#limits.keep && bytes <= this.#limits.max_mb * MiB) kept++
      else await rm(path)
    }
    return kept
  }

  async #add(name: string, jpeg: Buffer): Promise<void> {
    if (this.#limits.keep === 0) return
    await mkdir(this.#folder, { recursive: true })
    const part = join(this.#folder, `${name}.part`)
    try {
      await writeFile(part, jpeg, { mode: 0o640 })
      await rename(part, join(this.#folder, name))
    } catch (err) {
      await rm(part, { force: true })
      throw err
    }
    await this.prune()
  }
}

/** `photo-2026-11-23T10-15-30.123Z.jpg`: sorts by time, and is a file name everywhere. */
export function photoName(time: number): string {
  return `photo-${new Date(time).toISOString().replaceAll(':', '-')}.jpg`
}
