import { EventEmitter } from 'node:events'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Clip as ClipSchema } from '#bus/clip-messages.ts'
import type { Logger } from '#lib/logger.ts'
import { createFolder } from '#lib/process/disk.ts'
import type { Clip, ClipStore, ClipStoreEvents } from '../clip.ts'
import { repairMovie } from '../mp4/repair.ts'

/** Names of our files; others in the folder are left alone. */
const NAME = /^(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-[0-9a-f]{4})\.(mp4|json)$/
const DRAFT = '.new'
/** Files that are read at the same time. */
const AT_ONCE = 16

/** Clips as files: `<id>.mp4`, and `<id>.json` with what is known of it. */
export class FileClipStore extends EventEmitter<ClipStoreEvents> implements ClipStore {
  readonly folder: string
  readonly #log: Logger
  readonly #clips = new Map<string, Clip>()
  readonly #watched = new Map<string, number>()
  #sequence = 0
  /** Serializes the writes: two of one clip have the same temp file. */
  #last: Promise<unknown> = Promise.resolve()

  /** Reads the folder, and repairs what was cut off. Rejects with the system's error when the folder cannot be created. */
  static async open(folder: string, log: Logger): Promise<FileClipStore> {
    createFolder(folder)
    const store = new FileClipStore(folder, log)
    await store.#load()
    return store
  }

  private constructor(folder: string, log: Logger) {
    super()
    this.folder = folder
    this.#log = log
  }

  nextSequence(): number {
    return ++this.#sequence
  }

  async begin(clip: Clip): Promise<void> {
    await this.#write(clip)
    this.#clips.set(clip.id, clip)
    this.emit('begun', clip)
  }

  async change(clip: Clip): Promise<void> {
    this.#clips.set(clip.id, clip)
    await this.#write(clip)
    this.emit('changed', clip)
  }

  async finish(clip: Clip): Promise<void> {
    this.#clips.set(clip.id, clip)
    await this.#write(clip)
    this.emit('finished', clip)
  }

  async remove(id: string): Promise<boolean> {
    const clip = this.#clips.get(id)
    if (!clip?.complete || this.#watched.has(id)) return false
    this.#clips.delete(id)
    try {
      // a side-car without its movie is deleted at the next start
      await rm(join(this.folder, clip.file), { force: true })
      await rm(this.#sideCar(id), { force: true })
    } catch (err) {
      this.#clips.set(id, clip)
      throw err
    }
    this.emit('removed', clip)
    return true
  }

  list(): readonly Clip[] {
    return [...this.#clips.values()]
  }

  get(id: string): Clip | undefined {
    return this.#clips.get(id)
  }

  watch(id: string): Disposable {
    const count = (by: number) => {
      const left = (this.#watched.get(id) ?? 0) + by
      if (left > 0) this.#watched.set(id, left)
      else this.#watched.delete(id)
    }
    count(1)
    const stack = new DisposableStack()
    stack.defer(() => count(-1))
    return stack
  }

  #sideCar(id: string): string {
    return join(this.folder, `${id}.json`)
  }

  #write(clip: Clip): Promise<void> {
    const text = JSON.stringify(clip)
    const written = this.#last.then(() => replace(this.#sideCar(clip.id), text))
    this.#last = written.catch(() => {})
    return written
  }

  async #load(): Promise<void> {
    const names = await readdir(this.folder)
    for (const name of names) if (isDraft(name)) await rm(join(this.folder, name), { force: true })
    const ids = [...new Set(names.flatMap((name) => NAME.exec(name)?.[1] ?? []))]
    const clips: Clip[] = []
    const work = ids.values()
    const readNext = async () => {
      for (const id of work) {
        const clip = await this.#read(id).catch((err: unknown) => {
          this.#log.warn({ err, clip: id }, 'clip not readable; leaving its files alone')
        })
        if (clip) clips.push(clip)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, readNext))
    clips.sort((one, other) => one.sequence - other.sequence || one.startedAt - other.startedAt)
    for (const clip of clips) this.#clips.set(clip.id, clip)
    this.#sequence = Math.max(0, ...clips.slice(-1).map(({ sequence }) => sequence))
  }

  /** Undefined when there is no movie in the file. */
  async #read(id: string): Promise<Clip | undefined> {
    const known = await readFile(this.#sideCar(id), 'utf8').then(
      (text) => parseClip(text, id),
      () => undefined,
    )
    if (known?.complete) {
      const exists = await stat(join(this.folder, known.file)).catch(() => undefined)
      if (exists) return known
      await rm(this.#sideCar(id), { force: true })
      return undefined
    }
    return await this.#repair(id, known)
  }

  /** A recording that a crash or a power cut ended. */
  async #repair(id: string, known: Clip | undefined): Promise<Clip | undefined> {
    const file = `${id}.mp4`
    const movie = await repairMovie(join(this.folder, file))
    if (!movie) {
      await rm(join(this.folder, file), { force: true })
      await rm(this.#sideCar(id), { force: true })
      return undefined
    }
    const { width, height, hasAudio, durationMs, bytes } = movie
    const found = {
      id,
      sequence: 0,
      file,
      startedAt: timeOf(id),
      reasons: [],
      gaps: [],
      width,
      height,
      hasAudio,
    }
    const clip: Clip = {
      ...(known ?? found),
      ...{ durationMs, bytes, hasAudio, complete: true, cutShort: 'interrupted' },
    }
    await this.#write(clip)
    this.#log.info({ clip: id, seconds: Math.round(durationMs / 1_000) }, 'interrupted clip repaired')
    return clip
  }
}

/** Temp file, flush, rename. */
async function replace(path: string, text: string): Promise<void> {
  const draft = `${path}${DRAFT}`
  try {
    await using file = await open(draft, 'w', 0o600)
    await file.writeFile(text)
    await file.datasync()
  } catch (err) {
    await rm(draft, { force: true }).catch(() => {})
    throw err
  }
  await rename(draft, path)
}

function isDraft(name: string): boolean {
  return name.endsWith(DRAFT) && NAME.test(name.slice(0, -DRAFT.length))
}

function parseClip(text: string, id: string): Clip | undefined {
  try {
    const clip = ClipSchema.parse(JSON.parse(text))
    return clip.id === id && clip.file === `${id}.mp4` ? clip : undefined
  } catch {
    return undefined
  }
}

/** `2026-11-29T00-28-04.123Z-1a2b` */
function timeOf(id: string): number {
  const [date = '', time = ''] = id.split('T')
  return Date.parse(`${date}T${time.slice(0, 13).replaceAll('-', ':')}`)
}
