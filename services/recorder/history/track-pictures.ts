import { createHash } from 'node:crypto'
import type { Bus } from '#bus/bus.ts'
import type { TrackEvent } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { PictureCache } from './picture-cache.ts'
import type { HistoryRecord } from './records.ts'
import { smallerPicture } from './still-picture.ts'

const WIDTH = 480
const MAX_BYTES = 64 * 1024 * 1024
/** A better picture has at least this much more score. */
const BETTER_BY = 0.05
/** Between two requests; each costs vision a JPEG. */
const REQUEST_INTERVAL_MS = 2_000
/** The frame of a request arrives within this time, or never. */
const FRAME_TIMEOUT_MS = 3_000
/** Tracks in view that are remembered. */
const MAX_TRACKS = 64

interface TrackPicturesDeps {
  bus: Bus
  log: Logger
  folder: string
  record(record: HistoryRecord): void
}

/** The best picture of each track: the frame of the time when its score was highest, from vision. */
export class TrackPictures implements AsyncDisposable {
  readonly #deps: TrackPicturesDeps
  readonly #cache: PictureCache
  readonly #failures
  /** Score of the stored picture, by track in view. */
  readonly #best = new Map<string, number>()
  #requestedAt = Number.NEGATIVE_INFINITY
  #taking: Promise<void> | undefined

  constructor(deps: TrackPicturesDeps, maxBytes = MAX_BYTES) {
    this.#deps = deps
    this.#cache = new PictureCache(deps.folder, maxBytes)
    this.#failures = createEventCounter(deps.log, 'pictures of tracks not stored')
  }

  ingest({ type, after: { id, top_score: score } }: TrackEvent): void {
    if (type === 'end') return void this.#best.delete(id)
    const now = performance.now()
    const isBetter = score >= (this.#best.get(id) ?? Number.NEGATIVE_INFINITY) + BETTER_BY
    if (!isBetter || this.#taking || now - this.#requestedAt < REQUEST_INTERVAL_MS) return
    this.#requestedAt = now
    this.#remember(id, score)
    this.#taking = this.#take(id)
      .catch((err: unknown) => this.#failures.count((err as Error).message))
      .finally(() => {
        this.#taking = undefined
      })
  }

  /** The JPEG; undefined without one. */
  async read(trackId: string): Promise<Buffer | undefined> {
    return await this.#cache.read(fileOf(trackId))
  }

  /** Deletes pictures of tracks that are not in the history any more. */
  async delete(files: readonly string[]): Promise<void> {
    for (const file of files) await this.#cache.delete(file)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#taking
    this.#failures[Symbol.dispose]()
  }

  #remember(id: string, score: number): void {
    this.#best.delete(id)
    this.#best.set(id, score)
    const [oldest] = this.#best.keys()
    if (this.#best.size > MAX_TRACKS && oldest !== undefined) this.#best.delete(oldest)
  }

  async #take(id: string): Promise<void> {
    const frame = await this.#frame()
    const file = fileOf(id)
    await this.#cache.write(file, await smallerPicture(frame, WIDTH))
    this.#deps.record({ type: 'track-picture', id, file })
  }

  /** The next frame of vision; subscribed to only while one is needed. */
  async #frame(): Promise<Buffer> {
    const { bus } = this.#deps
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    using _subscription = await bus.subscribe(topics.frame, (jpeg) => resolve(jpeg))
    const timer = setTimeout(() => reject(new Error('vision sent no frame')), FRAME_TIMEOUT_MS)
    try {
      await bus.publish(topics.frameRequest, {})
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Ids come from the bus: the name of the file is made of their digest. */
function fileOf(trackId: string): string {
  return `${createHash('sha256').update(trackId).digest('hex').slice(0, 32)}.jpg`
}
