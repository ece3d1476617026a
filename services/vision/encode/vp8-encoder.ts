import { availableParallelism } from 'node:os'
import { FF_ENCODER_LIBVPX_VP8 } from 'node-av/constants'
import { Codec, type CodecContext, Dictionary, type Frame, Packet } from 'node-av/lib'
import type { Matrix } from '../image/color.ts'
import type { Size } from '../image/fit.ts'
import { check } from '../image/pixels.ts'
import { type EncoderOptions, encodeFrame, isForFrame, openContext, prepare } from './codec-context.ts'

const MAX_THREADS = 4
/** libvpx ignores a new bitrate while open: beyond these ratios the encoder is reopened, at most this often. */
const LOWER_RATIO = 0.85
const RAISE_RATIO = 1.25
const LOWER_INTERVAL_MS = 1_000
const RAISE_INTERVAL_MS = 4_000

/** libvpx VP8 for viewers without H.264: realtime, no lookahead, no alternate reference frames. */
export class Vp8Encoder implements Disposable {
  readonly options: Readonly<EncoderOptions>
  readonly #context: CodecContext
  readonly #packet = new Packet()
  readonly #openedAt = performance.now()
  /** Target in bit/s; see {@link fits}. */
  bitrate: number

  /** Opens the encoder; rejects when libvpx does not accept the options. */
  static async open(options: EncoderOptions): Promise<Vp8Encoder> {
    return new Vp8Encoder(await openContext(options, openVpx), options)
  }

  private constructor(context: CodecContext, options: EncoderOptions) {
    this.#context = context
    this.options = options
    this.bitrate = options.bitrate
    this.#packet.alloc()
  }

  /** True when this encoder can encode such frames at the target bitrate. */
  fits(frame: Size & { matrix: Matrix }): boolean {
    const { options } = this
    const age = performance.now() - this.#openedAt
    const tooHigh = this.bitrate < options.bitrate * LOWER_RATIO && age > LOWER_INTERVAL_MS
    const tooLow = this.bitrate > options.bitrate * RAISE_RATIO && age > RAISE_INTERVAL_MS
    return isForFrame(options, frame) && !tooHigh && !tooLow
  }

  /** Encodes a frame. `at`: ms of a monotonic clock, larger than the last. Rejects when the encoder is broken. */
  encode(pixels: Frame, { at, keyframe }: { at: number; keyframe: boolean }): Promise<Buffer> {
    return encodeFrame({ context: this.#context, packet: this.#packet }, pixels, { at, keyframe })
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
    // largest keyframe, percent of an average frame
    'max-intra-rate': 400,
    'static-thresh': 1,
  })
  check(await context.open2(codec, dictionary), 'open libvpx')
}
