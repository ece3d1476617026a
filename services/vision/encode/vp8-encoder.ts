import { availableParallelism } from 'node:os'
import { Codec, CodecContext, Dictionary, type Frame, Packet } from 'node-av'
import { FF_ENCODER_LIBVPX_VP8 } from 'node-av/constants'
import type { Matrix } from '../image/color.ts'
import type { Size } from '../image/fit.ts'
import { check } from '../image/pixels.ts'
import { encodePicture, prepare } from './codec-context.ts'
import type { EncoderOptions } from './encoder.ts'

const MAX_THREADS = 4
/** libvpx takes no new bitrate while it is open. Another this far off is worth a new encoder, so often, in ms. */
const FAR_BELOW = 0.85
const FAR_ABOVE = 1.25
const LOWER_AFTER = 1_000
const RAISE_AFTER = 4_000

/** libvpx VP8 for viewers that take no H.264: realtime, without lookahead or alternate reference frames. */
export class Vp8Encoder implements Disposable {
  readonly options: Readonly<EncoderOptions>
  readonly #context: CodecContext
  readonly #packet = new Packet()
  readonly #openedAt = performance.now()
  /** bit/s that is wanted; see {@link fits}. */
  bitrate: number

  /** Opens the encoder; rejects when libvpx will not have these options. */
  static async open(options: EncoderOptions): Promise<Vp8Encoder> {
    const context = new CodecContext()
    try {
      await openVpx(context, options)
    } catch (err) {
      context.freeContext()
      throw err
    }
    return new Vp8Encoder(context, options)
  }

  private constructor(context: CodecContext, options: EncoderOptions) {
    this.#context = context
    this.options = options
    this.bitrate = options.bitrate
    this.#packet.alloc()
  }

  /** Does this encoder fit pictures of that kind, and the bitrate that is wanted by now? */
  fits({ width, height, matrix }: Size & { matrix: Matrix }): boolean {
    const { options } = this
    const age = performance.now() - this.#openedAt
    const tooHigh = this.bitrate < options.bitrate * FAR_BELOW && age > LOWER_AFTER
    const tooLow = this.bitrate > options.bitrate * FAR_ABOVE && age > RAISE_AFTER
    const same = options.width === width && options.height === height && options.matrix === matrix
    return same && !tooHigh && !tooLow
  }

  /** One VP8 frame. `at` in milliseconds of a monotonic clock, larger than the last. Rejects when the encoder is broken. */
  encode(pixels: Frame, { at, keyframe }: { at: number; keyframe: boolean }): Promise<Buffer> {
    return encodePicture({ context: this.#context, packet: this.#packet }, pixels, { at, keyframe })
  }

  [Symbol.dispose](): void {
    this.#packet.free()
    this.#context.freeContext()
  }
}

async function openVpx(context: CodecContext, options: EncoderOptions): Promise<void> {
  const codec = Codec.findEncoderByName(FF_ENCODER_LIBVPX_VP8)
  if (!codec) throw new Error('this FFmpeg has no libvpx')
  context.allocContext3(codec)
  prepare(context, options)
  context.threadCount = Math.min(MAX_THREADS, availableParallelism())
  using dictionary = Dictionary.fromObject({
    deadline: 'realtime',
    'cpu-used': 8,
    'lag-in-frames': 0,
    'auto-alt-ref': 0,
    // percent of an average frame that a keyframe may take
    'max-intra-rate': 400,
    'static-thresh': 1,
  })
  check(await context.open2(codec, dictionary), 'open libvpx')
}
