/**
 * The voice of the viewer who talks: packets of the bus to blocks of 20 ms, at the pace of the speaker. The rest of the service
 * uses {@link Voice}.
 */
import type { TalkPacket } from '#bus/talk-packet.ts'
import { BLOCK_SAMPLES, SAMPLES_PER_MS } from '../sound/format.ts'
import type { SoundSource } from '../speaker/speaker.ts'
import { JitterBuffer } from './jitter-buffer.ts'
import { OpusDecoder } from './opus-decoder.ts'
import { opusSamples } from './opus-toc.ts'

/** A talk without a packet for this long has ended. */
const SILENT_MS = 1_000
/** From the sound that is left out to the one that follows. */
const FADE_SAMPLES = 5 * SAMPLES_PER_MS

interface Talk {
  id: number
  buffer: JitterBuffer
  decoder: OpusDecoder
  receivedAt: number
  ended: boolean
}

export class Voice implements SoundSource, Disposable {
  readonly kind = 'talk'
  /** Sound (ms) concealed, left out, and received too late, since the start. */
  readonly counts = { concealed: 0, skipped: 0, late: 0 }
  #talk: Talk | undefined
  /** The last talk that ended: a packet of it may still come. */
  #endedId: number | undefined
  /** Decoded samples that are not played yet. */
  #pending: Int16Array = new Int16Array()
  /** The beginning of a packet that was left out. */
  #left: Int16Array | undefined

  /** Whether a viewer talks, as far as the packets show. */
  get active(): boolean {
    return this.#talk !== undefined
  }

  /** ms that packets wait now; undefined while no viewer talks. */
  get delay(): number | undefined {
    return this.#talk?.buffer.target
  }

  /** A packet of a talk; false for one that is not Opus. */
  add({ talk: id, timestamp, data }: TalkPacket, now = performance.now()): boolean {
    if (data.length === 0) {
      if (this.#talk?.id === id) this.#talk.ended = true
      this.#endedId = id
      return true
    }
    const samples = opusSamples(data)
    if (samples === undefined) return false
    if (id === this.#endedId) return true
    if (this.#talk?.id !== id) this.#begin(id, now)
    const talk = this.#talk
    if (!talk) return true
    talk.receivedAt = now
    // a copy: the message's memory belongs to a larger read of the connection
    talk.buffer.add({ timestamp, samples, data: Buffer.from(data) }, now)
    return true
  }

  /** The block that is due at this time; undefined when there is nothing to play. Valid until the next call. */
  next(due: number): Int16Array | undefined {
    const talk = this.#talk
    if (!talk) return undefined
    while (this.#pending.length < BLOCK_SAMPLES && this.#fill(talk, due)) {}
    if (this.#pending.length === 0) {
      if (talk.ended) this.#end()
      // what comes after a gap is played
      else if (due - talk.receivedAt > SILENT_MS) this.#close()
      return undefined
    }
    const block = new Int16Array(BLOCK_SAMPLES)
    block.set(this.#pending.subarray(0, BLOCK_SAMPLES))
    this.#pending = this.#pending.slice(BLOCK_SAMPLES)
    return block
  }

  /** Ends the current talk; what still comes of it is not played. */
  stop(): void {
    this.#end()
  }

  [Symbol.dispose](): void {
    this.#end()
  }

  #begin(id: number, now: number): void {
    this.#end()
    this.#talk = {
      id,
      buffer: new JitterBuffer(this.counts),
      decoder: new OpusDecoder(),
      receivedAt: now,
      ended: false,
    }
  }

  /** For good: what still comes of it is not played. */
  #end(): void {
    if (this.#talk) this.#endedId = this.#talk.id
    this.#close()
  }

  #close(): void {
    this.#talk?.decoder[Symbol.dispose]()
    this.#talk = undefined
    this.#pending = new Int16Array()
    this.#left = undefined
  }

  /** Decodes what is due; false when there is nothing. */
  #fill({ buffer, decoder, ended }: Talk, due: number): boolean {
    const playout = buffer.take(due)
    if (!playout || (ended && playout.type === 'conceal')) return false
    const samples =
      playout.type === 'conceal' ? decoder.conceal(playout.samples) : decode(decoder, playout.data)
    if (playout.type === 'skip') {
      this.#left ??= samples
      return true
    }
    this.#append(this.#left ? crossfade(this.#left, samples) : samples)
    this.#left = undefined
    return true
  }

  #append(samples: Int16Array): void {
    const joined = new Int16Array(this.#pending.length + samples.length)
    joined.set(this.#pending)
    joined.set(samples, this.#pending.length)
    this.#pending = joined
  }
}

/** A packet that cannot be decoded is concealed, and so takes its time. */
function decode(decoder: OpusDecoder, data: Buffer): Int16Array {
  const samples = decoder.decode(data)
  return samples.length > 0 ? samples : decoder.conceal(opusSamples(data) ?? BLOCK_SAMPLES)
}

/** `to`, which begins as `from` does. */
function crossfade(from: Int16Array, to: Int16Array): Int16Array {
  const length = Math.min(FADE_SAMPLES, from.length, to.length)
  for (let i = 0; i < length; i++) {
    const share = i / length
    to[i] = Math.round((from[i] ?? 0) * (1 - share) + (to[i] ?? 0) * share)
  }
  return to
}
