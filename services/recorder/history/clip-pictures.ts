import { join } from 'node:path'
import type { Clip, ClipStore } from '../clip.ts'
import { PictureCache } from './picture-cache.ts'
import { keyframePicture } from './still-picture.ts'

const WIDTH = 320
const MAX_CACHE_BYTES = 64 * 1024 * 1024
/** Pictures of a clip: of its first reason, and of a fifth, two fifths, … of its length. */
export const PICTURES_PER_CLIP = 5
/** Pictures that wait for their turn; a page that scrolls requests more than it shows. */
const MAX_WAITING = 64

export class BusyError extends Error {}

/** Thumbnails of clips: a keyframe of the file, decoded when it is first requested, one at a time. */
export class ClipPictures {
  readonly #clips: Pick<ClipStore, 'folder'>
  readonly #cache: PictureCache
  #waiting = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(clips: Pick<ClipStore, 'folder'>, folder: string, maxBytes = MAX_CACHE_BYTES) {
    this.#clips = clips
    this.#cache = new PictureCache(folder, maxBytes)
  }

  /** The JPEG. `isWanted`: whether the client still waits when its turn comes. Throws {@link BusyError} when too many wait. */
  async get(clip: Clip, index: number, isWanted: () => boolean): Promise<Buffer> {
    const name = `${clip.id}-${index}.jpg`
    const known = await this.#cache.read(name)
    if (known) return known
    if (this.#waiting >= MAX_WAITING) throw new BusyError('too many pictures are requested')
    this.#waiting++
    const made = this.#turn.then(async () => {
      if (!isWanted()) throw new BusyError('the client has disconnected')
      // another client may have requested the same one before
      return (await this.#cache.read(name)) ?? (await this.#make(clip, index, name))
    })
    this.#turn = made.catch(() => {}).finally(() => this.#waiting--)
    return await made
  }

  async delete({ id }: Clip): Promise<void> {
    for (let i = 0; i < PICTURES_PER_CLIP; i++) await this.#cache.delete(`${id}-${i}.jpg`)
  }

  async #make(clip: Clip, index: number, name: string): Promise<Buffer> {
    const path = join(this.#clips.folder, clip.file)
    const picture = await keyframePicture(path, timeOf(clip, index), WIDTH)
    // a full disk: the next request makes it again
    if (clip.complete) await this.#cache.write(name, picture).catch(() => {})
    return picture
  }
}

/** Milliseconds from the start of the clip. */
function timeOf({ startedAt, durationMs, reasons }: Clip, index: number): number {
  const first = Math.min(...reasons.map(({ at }) => at))
  const wanted = index === 0 ? first - startedAt : (durationMs * index) / PICTURES_PER_CLIP
  return Number.isFinite(wanted) ? Math.min(Math.max(0, wanted), Math.max(0, durationMs - 1)) : 0
}
