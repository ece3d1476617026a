import {
  type AVCodecID,
  AVERROR_EAGAIN,
  AVERROR_EINVAL,
  AVERROR_ENOMEM,
  AVERROR_EOF,
  FF_THREAD_SLICE,
} from 'node-av/constants'
import { Codec, CodecContext, type CodecParameters, Dictionary, Frame, type Packet } from 'node-av/lib'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { check } from '../../image/pixels.ts'
import { DEFAULT_MAX_PIXELS } from './source.ts'

/** Codecs of cameras and recordings: fewer decoders of hostile data. */
export const DECODERS: readonly string[] =
  'h264 hevc mjpeg mpeg4 mpeg1video mpeg2video vp8 vp9 libvpx libvpx-vp9 av1 libdav1d rawvideo'.split(' ')

interface DecoderOptions {
  parameters?: CodecParameters
  /** Larger frames are rejected before their pixels are allocated. */
  maxPixels?: number | undefined
}

/** Decodes packets to frames, on FFmpeg's threads, without frame delay. */
export class Decoder implements Disposable {
  readonly context = new CodecContext()
  readonly #maxPixels: number

  /** Opens the decoder of a codec, with the parameters of a stream if given. Rejects with {@link UnavailableError} when there is none. */
  static async open(id: AVCodecID, { parameters, maxPixels }: DecoderOptions = {}): Promise<Decoder> {
    const codec = Codec.findDecoder(id)
    if (!codec?.name || !DECODERS.includes(codec.name)) {
      const name = codec?.name ?? `codec ${id}`
      throw new UnavailableError(`cannot decode ${name}`)
    }
    const decoder = new Decoder(maxPixels)
    const { context } = decoder
    context.allocContext3(codec)
    if (parameters) {
      decoder.#checkSize(parameters)
      check(context.parametersToContext(parameters), 'decoder parameters')
    }
    // frame threads would delay the output by a frame each
    context.threadType = FF_THREAD_SLICE
    using options = Dictionary.fromObject({ max_pixels: String(decoder.#maxPixels) })
    check(await context.open2(codec, options), 'open decoder')
    return decoder
  }

  private constructor(maxPixels = DEFAULT_MAX_PIXELS) {
    this.#maxPixels = maxPixels
  }

  /** Sends a packet; null at the end of the stream. A damaged packet is skipped. */
  async send(packet: Packet | null): Promise<void> {
    this.#checkCode(await this.context.sendPacket(packet))
  }

  /** The next frame, which the caller frees; undefined when the decoder needs more packets or has ended. */
  async receive(): Promise<Frame | undefined> {
    const frame = new Frame()
    frame.alloc()
    const code = await this.context.receiveFrame(frame)
    if (code >= 0) return frame
    frame.free()
    this.#checkCode(code)
    return undefined
  }

  [Symbol.dispose](): void {
    this.context.freeContext()
  }

  /** Damaged data is skipped: after packet loss HEVC reports an error for each frame up to the next keyframe. */
  #checkCode(code: number): void {
    if (code >= 0 || code === AVERROR_EAGAIN || code === AVERROR_EOF) return
    // each decoder has its own code for a frame beyond the option max_pixels
    this.#checkSize(this.context)
    if (code === AVERROR_ENOMEM) check(code, 'decode')
    if (code === AVERROR_EINVAL) throw new UnavailableError(tooLarge('', this.#maxPixels))
  }

  #checkSize({ width, height }: { width: number; height: number }): void {
    if (width * height > this.#maxPixels) {
      throw new UnavailableError(tooLarge(` (${width}x${height})`, this.#maxPixels))
    }
  }
}

/** The error of a frame of more than `maxPixels`. */
export function tooLarge(size: string, maxPixels: number): string {
  return `a frame${size} is larger than vision.max_pixels (${maxPixels})`
}
