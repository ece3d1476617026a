import {
  AV_CODEC_FLAG_QSCALE,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_RANGE_JPEG,
  FF_ENCODER_MJPEG,
} from 'node-av/constants'
import { Codec, CodecContext, type Frame, Packet, Rational } from 'node-av/lib'
import type { Size } from '../image/fit.ts'
import { allocate, check, Scaler } from '../image/pixels.ts'

/** Default quantizer, 1 (best) to 31. */
const DEFAULT_QUANTIZER = 3
const FF_QP2LAMBDA = 118

/** Encodes frames of one size as JPEG files: full range, BT.601, as JFIF specifies. */
export class JpegEncoder implements Disposable {
  readonly #context: CodecContext
  readonly #frame: Frame
  readonly #scaler = new Scaler()
  readonly #packet = new Packet()
  readonly #quantizer: number
  #count = 0n

  static async open(size: Size, quantizer = DEFAULT_QUANTIZER): Promise<JpegEncoder> {
    const codec = Codec.findEncoderByName(FF_ENCODER_MJPEG)
    if (!codec) throw new Error('this FFmpeg has no MJPEG encoder')
    const context = new CodecContext()
    context.allocContext3(codec)
    context.width = size.width
    context.height = size.height
    context.pixelFormat = AV_PIX_FMT_YUVJ420P
    context.colorRange = AVCOL_RANGE_JPEG
    context.timeBase = new Rational(1, 1000)
    context.setFlags(AV_CODEC_FLAG_QSCALE)
    context.globalQuality = quantizer * FF_QP2LAMBDA
    context.threadCount = 1
    check(await context.open2(codec), 'open MJPEG')
    return new JpegEncoder(context, size, quantizer)
  }

  private constructor(context: CodecContext, size: Size, quantizer: number) {
    this.#quantizer = quantizer
    this.#context = context
    this.#frame = allocate(size, 'bt601', { format: AV_PIX_FMT_YUVJ420P, fullRange: true })
    this.#packet.alloc()
  }

  fits({ width, height }: Size): boolean {
    return this.#frame.width === width && this.#frame.height === height
  }

  /** The bytes of a JPEG file. */
  async encode(pixels: Frame): Promise<Buffer> {
    check(this.#frame.makeWritable(), 'JPEG frame')
    await this.#scaler.scale(this.#frame, pixels)
    this.#frame.pts = this.#count++
    this.#frame.quality = this.#quantizer * FF_QP2LAMBDA
    check(await this.#context.sendFrame(this.#frame), 'encode JPEG')
    check(this.#context.receivePacketSync(this.#packet), 'encode JPEG')
    const data = Buffer.from(this.#packet.data ?? [])
    this.#packet.unref()
    return data
  }

  [Symbol.dispose](): void {
    this.#packet.free()
    this.#frame.free()
    this.#scaler[Symbol.dispose]()
    this.#context.freeContext()
  }
}
