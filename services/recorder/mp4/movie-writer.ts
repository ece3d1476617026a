import type { SoundPacket, VideoFrame } from '../ring/gop-ring.ts'
import { fragment, SOUND_SAMPLES, type VideoSample } from './fragment.ts'
import { toLengthPrefixed } from './h264.ts'
import {
  type IndexEntry,
  initSegment,
  type Movie,
  patches,
  SOUND_CLOCK_HZ,
  VIDEO_CLOCK_HZ,
} from './init-segment.ts'

/** Longest fragment: what a kill may cost. */
const MAX_FRAGMENT_MS = 2_000
/** A shorter GOP waits for the next one: each fragment costs a write. */
const MIN_FRAGMENT_MS = 1_000
/** Duration of the last frame, of which no other follows. */
const LAST_FRAME_MS = 67
/** Sound that differs from its place by more is put there; less is the jitter of its clock. */
const MAX_SOUND_DRIFT_MS = 60

interface MovieWriterOptions extends Omit<Movie, 'startedAt'> {
  first: VideoFrame
  /** False: it was not taken. */
  write(piece: Buffer): boolean
  /** The sound after one time, before another. */
  sounds(after: number, before: number): SoundPacket[]
}

/** The fragments of one movie. The first frame is a keyframe. */
export class MovieWriter {
  readonly #options: MovieWriterOptions
  #headerBytes = 0
  readonly #index: IndexEntry[] = []
  #frames: VideoFrame[] = []
  #sequence = 0
  /** Decode time of the next fragment, in units of the video track. */
  #at = 0
  #soundAt: number
  #nextSound = 0
  /** A fragment was not taken: up to the next keyframe nothing can be decoded. */
  #interrupted = false
  #bytes = 0
  #hasSound = false

  constructor(options: MovieWriterOptions) {
    this.#options = options
    const { first } = options
    // one packet may have begun before the first frame
    this.#soundAt = first.at - 10
  }

  /** There is a track of sound: known with the first fragment. A microphone that was closed opens later than the encoder. */
  get hasSound(): boolean {
    return this.#hasSound
  }

  /** ms of what was written, and what waits for the end of a fragment. */
  get durationMs(): number {
    const last = this.#frames.at(-1)
    return last ? last.at + LAST_FRAME_MS - this.#options.first.at : (this.#at * 1_000) / VIDEO_CLOCK_HZ
  }

  /** Written, or waiting for the disk. */
  get bytes(): number {
    return this.#bytes
  }

  add(frame: VideoFrame): void {
    const first = this.#frames[0]
    const waiting = first ? frame.at - first.at : 0
    if (first && (waiting >= MAX_FRAGMENT_MS || (frame.keyframe && waiting >= MIN_FRAGMENT_MS))) {
      this.#flush(frame.at)
    }
    this.#frames.push(frame)
  }

  /** The last fragment; returns what completes the file. */
  finish(): { at: number; data: Buffer }[] {
    const last = this.#frames.at(-1)
    if (last) this.#flush(last.at + LAST_FRAME_MS)
    return patches(this.#headerBytes, this.#index)
  }

  /** `end`: time of the frame after it. */
  #flush(end: number): void {
    const { first, hasSound, sounds, write } = this.#options
    const position = (at: number) => Math.round(((at - first.at) * VIDEO_CLOCK_HZ) / 1_000)
    const frames = this.#frames
    this.#frames = []
    const next = position(end)
    const heard = sounds(this.#soundAt, end)
    if (this.#headerBytes === 0) this.#begin(hasSound || heard.length > 0)
    const packets = this.#hasSound ? heard : []
    this.#soundAt = packets.at(-1)?.at ?? this.#soundAt
    const sync = frames[0]?.keyframe ?? false
    if (this.#interrupted && !sync) return
    const starts = frames.map(({ at }) => position(at))
    const samples = frames.map(
      (frame, index): VideoSample => ({
        data: toLengthPrefixed(frame.data),
        duration: (starts[index + 1] ?? next) - (starts[index] ?? next),
        sync: frame.keyframe,
      }),
    )
    const at = starts[0] ?? this.#at
    const soundAt = this.#soundStart(packets)
    const piece = fragment(
      ++this.#sequence,
      { at, samples },
      { at: soundAt, samples: packets.map(({ data }) => data) },
    )
    this.#interrupted = !write(piece)
    if (this.#interrupted) return
    this.#nextSound = soundAt + packets.length * SOUND_SAMPLES
    // the time of what was not taken belongs to the fragment before it
    const previous = this.#index.at(-1)
    if (previous && at > this.#at) previous.duration += at - this.#at
    this.#at = next
    this.#bytes += piece.length
    this.#index.push({ bytes: piece.length, duration: next - at, sync })
  }

  #begin(hasSound: boolean): void {
    const startedAt = this.#options.first.capturedAt
    const header = initSegment({ ...this.#options, startedAt, hasSound })
    this.#hasSound = hasSound
    this.#headerBytes = header.length
    this.#bytes = header.length
    this.#options.write(header)
  }

  #soundStart([packet]: SoundPacket[]): number {
    if (!packet) return this.#nextSound
    const wanted = Math.max(0, Math.round(((packet.at - this.#options.first.at) * SOUND_CLOCK_HZ) / 1_000))
    const drift = (MAX_SOUND_DRIFT_MS * SOUND_CLOCK_HZ) / 1_000
    if (this.#nextSound > 0 && Math.abs(wanted - this.#nextSound) < drift) return this.#nextSound
    return Math.max(this.#nextSound, wanted)
  }
}
