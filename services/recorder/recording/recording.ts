import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import type { Logger } from '#lib/logger.ts'
import type { Clip, ClipReason, ClipStore } from '../clip.ts'
import { GrowingFile } from '../mp4/growing-file.ts'
import { frameSize, isSame, type ParameterSets, parameterSets } from '../mp4/h264.ts'
import { MovieWriter } from '../mp4/movie-writer.ts'
import type { GopRing, VideoFrame } from '../ring/gop-ring.ts'

/** Bytes after which a clip is continued in another one: some players and file systems end at 2 GiB. */
const MAX_CLIP_BYTES = 1_900 * 1024 * 1024
const MAX_REASONS = 100
const MAX_GAPS = 100
/** A frame that is later does not come. */
const MAX_LATENCY_MS = 5_000
/** Frames are at most this far apart, or some are missing. */
const MIN_GAP_MS = 2_000

interface RecordingEvents {
  /** The first frame is there; its time. */
  opened: [at: number]
  /** A fragment, and the ms that its write took. */
  written: [ms: number]
  synced: [ms: number]
  /** The disk takes no more. */
  failed: [err: unknown]
  /** Its last file is complete; undefined when there was no frame. */
  finished: [clip: Clip | undefined]
}

interface RecordingOptions {
  ring: GopRing
  store: ClipStore
  log: Logger
  /** By the monotonic clock, as `until`. */
  from: number
  until: number
  /** Stays open so long after `until`, ms, without a frame more, so that what overlaps becomes one clip. */
  linger: number
  /** It begins at the keyframe before `from`, else at the one after it. */
  hasPreRoll: boolean
  maxClipMs: number
  syncInterval: number
  reasons: readonly ClipReason[]
}

/** One file that is being written. */
interface OpenClip {
  clip: Clip
  sets: ParameterSets
  first: VideoFrame
  movie: MovieWriter
  file: GrowingFile
}

/**
 * Writes the frames of the ring from one time to another, in one file, or in several where it is long or the frames change their
 * size. `until` may be moved while it is open.
 */
export class Recording extends EventEmitter<RecordingEvents> {
  readonly #options: RecordingOptions
  readonly #reasons: ClipReason[]
  until: number
  #open: OpenClip | undefined
  #last: VideoFrame | undefined
  #lostSince: number | undefined
  #opening: Promise<void> | undefined
  #cannotOpen = false
  /** Files before the open one that are being completed. */
  #completing: Promise<unknown> = Promise.resolve()
  #ending: Promise<Clip | undefined> | undefined

  constructor(options: RecordingOptions) {
    super()
    this.#options = options
    this.until = options.until
    this.#reasons = [...options.reasons]
  }

  /** Not yet ended. */
  get isOpen(): boolean {
    return this.#ending === undefined
  }

  /** The frames up to `until` are written, and what overlaps would still become a part of this one. */
  isOver(now: number): boolean {
    const { ring, linger } = this.#options
    const newest = ring.last?.at ?? -Infinity
    // on a busy machine frames arrive late
    return newest > this.until + linger || now > this.until + linger + MAX_LATENCY_MS
  }

  /** A further reason to keep this. */
  addReason(reason: ClipReason): void {
    if (this.#reasons.length >= MAX_REASONS) return
    this.#reasons.push(reason)
    if (this.#open) this.#tellReasons(this.#open.clip)
  }

  #tellReasons(clip: Clip): void {
    clip.reasons = [...this.#reasons]
    this.#options.store.change(clip).catch((err: unknown) => this.#fail(err))
  }

  /** Writes what the ring has and this recording has not. */
  pull(): void {
    if (!this.#ending && !this.#opening) this.#drain()
  }

  #drain(): void {
    const { ring, from } = this.#options
    const first = this.#options.hasPreRoll ? ring.keyframeAt(from) : ring.keyframeAfter(from)
    const next = this.#last ? this.#last.index + 1 : first?.index
    if (next === undefined) return
    for (const frame of ring.from(next)) {
      if (frame.at > this.until) return
      if (!this.#take(frame)) return
    }
  }

  /** Completes the file. Resolves with the last clip; undefined when there was no frame. */
  end(cutShort?: string): Promise<Clip | undefined> {
    this.#ending ??= this.#end(cutShort)
    return this.#ending
  }

  /** False while a file is being opened: the ring keeps the frame until then. */
  #take(frame: VideoFrame): boolean {
    const { maxClipMs } = this.#options
    const open = this.#open
    if (!open) return this.#begin(frame)
    if (frame.keyframe) {
      const sets = parameterSets(frame.data)
      const isFull = frame.at - open.first.at >= maxClipMs || open.movie.bytes > MAX_CLIP_BYTES
      if (isFull || (sets && !isSame(sets, open.sets))) {
        this.#completing = Promise.all([this.#completing, this.#complete(open)])
        this.#open = undefined
        return this.#begin(frame)
      }
    }
    this.#markGap(open.clip, frame, open.first)
    open.movie.add(frame)
    this.#last = frame
    return true
  }

  /** Opens a file for this frame. The ring keeps it until then. */
  #begin(frame: VideoFrame): false {
    if (this.#cannotOpen) return false
    this.#opening = this.#openFile(frame)
      .catch((err: unknown) => {
        this.#cannotOpen = true
        this.#fail(err)
      })
      .then(() => {
        this.#opening = undefined
        this.pull()
      })
    return false
  }

  async #openFile(first: VideoFrame): Promise<void> {
    const { ring, store } = this.#options
    const sets = parameterSets(first.data)
    if (!sets) throw new Error('keyframe without parameter sets')
    const id = clipId(first.capturedAt)
    const clip: Clip = {
      ...{
        id,
        sequence: store.nextSequence(),
        file: `${id}.mp4`,
        startedAt: first.capturedAt,
        durationMs: 0,
        bytes: 0,
      },
      ...frameSize(sets.sps),
      reasons: [...this.#reasons],
      hasAudio: (ring.lastSoundAt ?? -Infinity) > first.at - 1_000,
      complete: false,
      gaps: [],
    }
    // the side-car first: a file without one has no reasons
    await store.begin(clip)
    const file = await this.#create(clip)
    file.on('failed', (err) => this.#fail(err))
    file.on('synced', (ms) => this.emit('synced', ms))
    file.on('written', (bytes, ms) => {
      clip.bytes = bytes
      clip.hasAudio = movie.hasSound
      this.emit('written', ms)
    })
    const movie = new MovieWriter({
      ...{ first, ...sets, width: clip.width, height: clip.height, hasSound: clip.hasAudio },
      write: (piece) => file.append(piece),
      sounds: (after, before) => ring.sounds(after, before),
    })
    movie.add(first)
    if (!this.#last) this.emit('opened', first.at)
    this.#last = first
    this.#lostSince = undefined
    this.#open = { clip, sets, first, movie, file }
    // those that came while the file was being opened
    if (clip.reasons.length < this.#reasons.length) this.#tellReasons(clip)
    this.#markGap(clip, first, first)
  }

  async #create(clip: Clip): Promise<GrowingFile> {
    const { store, syncInterval } = this.#options
    try {
      return await GrowingFile.create(join(store.folder, clip.file), syncInterval)
    } catch (err) {
      clip.complete = true
      await store.remove(clip.id).catch((cause: unknown) => this.#fail(cause))
      throw err
    }
  }

  /** Frames are missing before this one, or it is not of the camera. */
  #markGap(clip: Clip, frame: VideoFrame, first: VideoFrame): void {
    const last = this.#last
    if (clip.gaps.length >= MAX_GAPS) return
    const isLoss = last !== undefined && last !== frame && frame.index !== last.index + 1
    if (last && (isLoss || frame.at - last.at > MIN_GAP_MS))
      addGap(clip, last.at - first.at, frame.at - first.at)
    if (!frame.live) this.#lostSince ??= frame.at
    else if (this.#lostSince !== undefined) {
      addGap(clip, this.#lostSince - first.at, frame.at - first.at)
      this.#lostSince = undefined
    }
  }

  async #end(cutShort: string | undefined): Promise<Clip | undefined> {
    do {
      await this.#opening
      // what has come since the file began to open
      if (cutShort === undefined) this.#drain()
    } while (this.#opening !== undefined)
    await this.#completing
    const open = this.#open
    this.#open = undefined
    if (!open) {
      this.emit('finished', undefined)
      return undefined
    }
    if (cutShort !== undefined) open.clip.cutShort = cutShort
    const clip = await this.#complete(open)
    this.emit('finished', clip)
    return clip
  }

  /** Never rejects: the clip is what its file has. */
  async #complete(open: OpenClip): Promise<Clip> {
    await this.#close(open).catch((err: unknown) => this.#fail(err))
    return open.clip
  }

  async #close({ clip, first, movie, file }: OpenClip): Promise<void> {
    const last = this.#last
    if (this.#lostSince !== undefined && last) addGap(clip, this.#lostSince - first.at, last.at - first.at)
    this.#lostSince = undefined
    clip.durationMs = Math.round(movie.durationMs)
    await file.finish(movie.finish())
    if (!file.failed) clip.bytes = movie.bytes
    clip.complete = true
    await this.#options.store.finish(clip)
  }

  #fail(err: unknown): void {
    this.#options.log.debug({ err }, 'recording failed')
    this.emit('failed', err)
  }
}

function addGap(clip: Clip, from: number, to: number): void {
  clip.gaps.push({ at: Math.max(0, Math.round(from)), ms: Math.round(to - from) })
}

/** `2026-11-29T00-28-04.123Z-1a2b`: a file name everywhere, in the order of time. */
function clipId(time: number): string {
  return `${new Date(time).toISOString().replaceAll(':', '-')}-${randomBytes(2).toString('hex')}`
}
