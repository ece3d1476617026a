import { AV_SAMPLE_FMT_S16, AVERROR_EAGAIN, FF_ENCODER_LIBOPUS } from 'node-av/constants'
import { Codec, CodecContext, Dictionary, Packet, Rational } from 'node-av/lib'
import { check, MONO, sendSamples } from '../sound/ffmpeg.ts'
import { BLOCK_MS, BLOCK_SAMPLES, SAMPLE_RATE } from '../sound/format.ts'

interface OpusOptions {
  /** bit/s */
  bitrate: number
  /** Sends nothing in pauses; the viewer plays noise instead. */
  dtx: boolean
}

/** Of 10. The default of 10 costs twice as much, which 32 kbit/s of speech do not show. */
const COMPLEXITY = 5
/** Loss (percent) that in-band error correction is made for. */
const EXPECTED_LOSS = 10

/** A decoder's output is this much behind the input of the encoder: libopus' lookahead of 312 samples. */
export const CODEC_DELAY_MS = 6.5

/** libopus for speech: packets of 20 ms, in-band forward error correction. RFC 6716 §2.1. */
export class OpusEncoder implements Disposable {
  readonly #context: CodecContext
  readonly #packet = new Packet()
  #pts = 0

  static async open(options: OpusOptions): Promise<OpusEncoder> {
    const codec = Codec.findEncoderByName(FF_ENCODER_LIBOPUS)
    if (!codec) throw new Error('this FFmpeg has no libopus')
    const context = new CodecContext()
    context.allocContext3(codec)
    context.sampleRate = SAMPLE_RATE
    context.sampleFormat = AV_SAMPLE_FMT_S16
    context.channelLayout = MONO
    context.bitRate = BigInt(Math.round(options.bitrate))
    context.timeBase = new Rational(1, SAMPLE_RATE)
    using dictionary = Dictionary.fromObject({
      application: 'voip',
      frame_duration: String(BLOCK_MS),
      compression_level: String(COMPLEXITY),
      fec: '1',
      packet_loss: String(EXPECTED_LOSS),
      dtx: options.dtx ? '1' : '0',
    })
    try {
      check(await context.open2(codec, dictionary), 'open libopus')
    } catch (err) {
      context.freeContext()
      throw err
    }
    return new OpusEncoder(context)
  }

  private constructor(context: CodecContext) {
    this.#context = context
    this.#packet.alloc()
  }

  /**
   * The packet of a block. Synchronous: it takes 0.3 ms, and the way to another thread and back costs as much. Throws when
   * the encoder is broken.
   */
  encode(block: Int16Array): Buffer | undefined {
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength)
    sendSamples(this.#context, { bytes, count: BLOCK_SAMPLES, format: AV_SAMPLE_FMT_S16, pts: this.#pts })
    this.#pts += BLOCK_SAMPLES
    const code = this.#context.receivePacketSync(this.#packet)
    if (code === AVERROR_EAGAIN) return undefined
    check(code, 'encode')
    // a copy: the memory of the packet returns to the encoder
    const data = Buffer.from(this.#packet.data ?? [])
    this.#packet.unref()
    return data
  }

  [Symbol.dispose](): void {
    this.#packet.free()
    this.#context.freeContext()
  }
}
