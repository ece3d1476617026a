/** The last seconds of video and sound, in memory: whole GOPs, bounded in bytes and in time. */

/** One frame as vision encoded it. Times in ms. */
export interface VideoFrame {
  /** Counts up by one; a step is a loss. */
  index: number
  /** When it was captured, by `performance.now()` of this process; larger than that of the frame before it. */
  at: number
  /** The same, since the epoch. */
  capturedAt: number
  keyframe: boolean
  /** False: the camera is away, and this frame says so. */
  live: boolean
  /** Annex-B. */
  data: Buffer
}

/** One Opus packet of 20 ms. `at` as that of {@link VideoFrame}. */
export interface SoundPacket {
  at: number
  data: Buffer
}

/** Sound this much after the last frame, ms, belongs to no video: the camera or vision has ended. */
const MAX_SOUND_AHEAD_MS = 10_000

interface RingOptions {
  /** Of video and sound. */
  maxBytes: number
  /** Frames of this age are still needed, ms. */
  keepMs: number
}

/** Frames of one keyframe and those that need it. */
interface Gop {
  frames: VideoFrame[]
  bytes: number
}

export class GopRing {
  readonly #options: RingOptions
  #gops: Gop[] = []
  #sounds: SoundPacket[] = []
  #bytes = 0

  constructor(options: RingOptions) {
    this.#options = options
  }

  /** A frame that does not follow on the last one must be a keyframe; any other is dropped, and false returned. */
  add(frame: VideoFrame): boolean {
    const last = this.#gops.at(-1)
    const follows = last?.frames.at(-1)?.index === frame.index - 1
    if (frame.keyframe) this.#gops.push({ frames: [frame], bytes: frame.data.length })
    else if (last && follows) {
      last.frames.push(frame)
      last.bytes += frame.data.length
    } else return false
    this.#bytes += frame.data.length
    this.#trim(frame.at)
    return true
  }

  addSound(packet: SoundPacket): void {
    if (packet.at - (this.last?.at ?? -Infinity) > MAX_SOUND_AHEAD_MS) return
    this.#sounds.push(packet)
    this.#bytes += packet.data.length
  }

  get first(): VideoFrame | undefined {
    return this.#gops[0]?.frames[0]
  }

  get last(): VideoFrame | undefined {
    return this.#gops.at(-1)?.frames.at(-1)
  }

  get lastSoundAt(): number | undefined {
    return this.#sounds.at(-1)?.at
  }

  get summary(): { seconds: number; bytes: number } {
    const ms = this.first && this.last ? this.last.at - this.first.at : 0
    return { seconds: Math.round(ms / 100) / 10, bytes: this.#bytes }
  }

  /** The newest keyframe that is not after this time, or else the oldest. */
  keyframeAt(time: number): VideoFrame | undefined {
    const gop = this.#gops.findLast(({ frames }) => (frames[0]?.at ?? Infinity) <= time)
    return (gop ?? this.#gops[0])?.frames[0]
  }

  /** The oldest keyframe of this time or later. */
  keyframeAfter(time: number): VideoFrame | undefined {
    return this.#gops.find(({ frames }) => (frames[0]?.at ?? -Infinity) >= time)?.frames[0]
  }

  /** The frames from this index on, oldest first. */
  *from(index: number): Generator<VideoFrame> {
    const start = this.#gops.findLastIndex(({ frames }) => (frames[0]?.index ?? 0) <= index)
    for (const { frames } of this.#gops.slice(Math.max(0, start))) {
      for (const frame of frames) if (frame.index >= index) yield frame
    }
  }

  /** The sound after one time, up to and without another. */
  sounds(after: number, before: number): SoundPacket[] {
    const start = this.#sounds.findLastIndex(({ at }) => at <= after) + 1
    const packets: SoundPacket[] = []
    for (let i = start; i < this.#sounds.length; i++) {
      const packet = this.#sounds[i]
      if (packet && packet.at < before) packets.push(packet)
    }
    return packets
  }

  clear(): void {
    this.#gops = []
    this.#sounds = []
    this.#bytes = 0
  }

  /** Drops whole GOPs from the old end. The newest one stays unless it alone is too large. */
  #trim(now: number): void {
    const { maxBytes, keepMs } = this.#options
    const isNeeded = (gop: Gop | undefined) => gop?.frames[0] === undefined || gop.frames[0].at > now - keepMs
    while (this.#gops.length > 1 && (this.#bytes > maxBytes || !isNeeded(this.#gops[1]))) this.#dropOldest()
    if (this.#bytes > maxBytes) this.clear()
  }

  #dropOldest(): void {
    this.#bytes -= this.#gops.shift()?.bytes ?? 0
    const oldest = this.first?.at ?? Infinity
    const kept = this.#sounds.findIndex(({ at }) => at >= oldest)
    const dropped = this.#sounds.splice(0, kept < 0 ? this.#sounds.length : kept)
    for (const { data } of dropped) this.#bytes -= data.length
  }
}
