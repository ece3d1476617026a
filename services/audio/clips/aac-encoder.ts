import { AV_CODEC_ID_AAC, AV_SAMPLE_FMT_FLTP } from 'node-av/constants'
import { Codec, CodecContext, Packet, Rational } from 'node-av/lib'
import { check, MONO, sendSamples } from '../sound/ffmpeg.ts'
import { FULL_SCALE, SAMPLE_RATE } from '../sound/format.ts'

const BITRATE = 64_000n
/** Samples of a frame of AAC-LC. */
const FRAME_SAMPLES = 1_024
/** ISO/IEC 13818-7 §6.2: AAC-LC, 48 kHz, mono. */
const ADTS_BYTES = 7
const PROFILE_LC = 1
const RATE_INDEX_48K = 3
const MONO_CHANNELS = 1

/** AAC-LC in ADTS frames, which apps play as `aac`. */
export class AacEncoder implements Disposable {
  readonly #context = new CodecContext()
  readonly #packet = new Packet()
  readonly #parts: Buffer[] = []
  readonly #samples = new Float32Array(FRAME_SAMPLES)
  #filled = 0
  #pts = 0

  constructor() {
    const codec = Codec.findEncoder(AV_CODEC_ID_AAC)
    if (!codec) throw new Error('this FFmpeg has no AAC encoder')
    this.#packet.alloc()
    this.#context.allocContext3(codec)
    this.#context.sampleRate = SAMPLE_RATE
    this.#context.sampleFormat = AV_SAMPLE_FMT_FLTP
    this.#context.channelLayout = MONO
    this.#context.bitRate = BITRATE
    this.#context.timeBase = new Rational(1, SAMPLE_RATE)
    check(this.#context.open2Sync(codec), 'open the AAC encoder')
  }

  add(samples: Int16Array): void {
    for (const sample of samples) {
      this.#samples[this.#filled++] = sample / FULL_SCALE
      if (this.#filled === FRAME_SAMPLES) this.#encode()
    }
  }

  /** The whole recording. */
  finish(): Buffer {
    if (this.#filled > 0) {
      this.#samples.fill(0, this.#filled)
      this.#encode()
    }
    check(this.#context.sendFrameSync(null), 'encode')
    this.#receive()
    return Buffer.concat(this.#parts)
  }

  [Symbol.dispose](): void {
    this.#packet.free()
    this.#context.freeContext()
  }

  #encode(): void {
    const { buffer, byteOffset, byteLength } = this.#samples
    const bytes = Buffer.from(buffer, byteOffset, byteLength)
    sendSamples(this.#context, { bytes, count: FRAME_SAMPLES, format: AV_SAMPLE_FMT_FLTP, pts: this.#pts })
    this.#pts += FRAME_SAMPLES
    this.#filled = 0
    this.#receive()
  }

  #receive(): void {
    // until it wants more, or has ended
    while (this.#context.receivePacketSync(this.#packet) >= 0) {
      const data = Buffer.from(this.#packet.data ?? [])
      this.#packet.unref()
      this.#parts.push(adtsHeader(data.length), data)
    }
  }
}

function adtsHeader(bytes: number): Buffer {
  const length = bytes + ADTS_BYTES
  return Buffer.from([
    0xff,
    0xf1, // MPEG-4, no CRC
    (PROFILE_LC << 6) | (RATE_INDEX_48K << 2) | (MONO_CHANNELS >> 2),
    ((MONO_CHANNELS & 3) << 6) | (length >> 11),
    (length >> 3) & 0xff,
    ((length & 7) << 5) | 0x1f,
    0xfc,
  ])
}
