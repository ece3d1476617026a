import { FF_DECODER_LIBOPUS } from 'node-av/constants'
import { Codec, CodecContext, Frame, Packet } from 'node-av/lib'
import { check, MONO } from '../sound/ffmpeg.ts'
import { SAMPLE_RATE } from '../sound/format.ts'

const NOTHING = new Int16Array()

/** libopus, to 48 kHz mono. Not FFmpeg's own decoder, which conceals nothing. */
export class OpusDecoder implements Disposable {
  readonly #context = new CodecContext()
  readonly #packet = new Packet()
  readonly #frame = new Frame()
  /** First byte of the last packet. */
  #toc: number | undefined

  constructor() {
    const codec = Codec.findDecoderByName(FF_DECODER_LIBOPUS)
    if (!codec) throw new Error('this FFmpeg has no libopus')
    this.#packet.alloc()
    this.#frame.alloc()
    this.#context.allocContext3(codec)
    this.#context.sampleRate = SAMPLE_RATE
    this.#context.channelLayout = MONO
    check(this.#context.open2Sync(codec), 'open libopus')
  }

  /** The samples of a packet; empty for one that cannot be decoded. */
  decode(data: Buffer): Int16Array {
    const samples = this.#decode(data)
    if (samples.length > 0) this.#toc = data[0]
    return samples
  }

  /** What libopus makes of so many missing samples. */
  conceal(samples: number): Int16Array {
    const concealed = new Int16Array(samples)
    if (this.#toc === undefined) return concealed
    // a frame without data is a lost one (RFC 6716 §4.4; libopus, opus_decode_frame)
    const lost = Buffer.from([this.#toc & ~3])
    for (let at = 0; at < samples; ) {
      const frame = this.#decode(lost)
      if (frame.length === 0) break
      concealed.set(frame.subarray(0, samples - at), at)
      at += frame.length
    }
    return concealed
  }

  [Symbol.dispose](): void {
    this.#context.freeContext()
    this.#packet.free()
    this.#frame.free()
  }

  #decode(data: Buffer): Int16Array {
    this.#packet.data = data
    const sent = this.#context.sendPacketSync(this.#packet)
    this.#packet.unref()
    if (sent < 0 || this.#context.receiveFrameSync(this.#frame) < 0) return NOTHING
    const { nbSamples } = this.#frame
    const [bytes] = this.#frame.data ?? []
    // a copy: the memory of the frame returns to the decoder
    const samples = new Int16Array(nbSamples)
    if (bytes) Buffer.from(samples.buffer).set(bytes.subarray(0, nbSamples * 2))
    this.#frame.unref()
    return samples
  }
}
