import { availableParallelism } from 'node:os'
import {
  AVCOL_PRI_BT709,
  AVCOL_PRI_SMPTE170M,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  AVCOL_TRC_BT709,
  AVCOL_TRC_SMPTE170M,
  FF_ENCODER_LIBX264,
} from 'node-av/constants'
import { Codec, type CodecContext, Dictionary, type Frame, Packet } from 'node-av/lib'
import { nalUnits } from '#bus/access-unit.ts'
import type { Matrix } from '../image/color.ts'
import type { Size } from '../image/fit.ts'
import { check } from '../image/pixels.ts'
import {
  type EncoderOptions,
  encodeFrame,
  isForFrame,
  openContext,
  prepare,
  setRate,
} from './codec-context.ts'

const NAL_SLICE = 1
const NAL_IDR = 5
const NAL_SPS = 7
const CONSTRAINT_SET2 = 0x20

/** Slices are encoded in parallel; each costs some quality and a packet. */
const MAX_SLICES = 4

/**
 * libx264 for WebRTC: constrained baseline level 3.1 (profile-level-id 42e01f), no B-frames, no lookahead, SPS and PPS
 * before each IDR frame, bitrate adjustable at run time.
 */
export class Encoder implements Disposable {
  readonly options: Readonly<EncoderOptions>
  readonly #context: CodecContext
  readonly #packet = new Packet()
  /** bit/s, from the next frame on. */
  bitrate: number
  #appliedBitrate: number

  /** Opens the encoder; rejects when libx264 does not accept the options. */
  static async open(options: EncoderOptions): Promise<Encoder> {
    return new Encoder(await openContext(options, openX264), options)
  }

  private constructor(context: CodecContext, options: EncoderOptions) {
    this.#context = context
    this.options = options
    this.bitrate = options.bitrate
    this.#appliedBitrate = options.bitrate
    this.#packet.alloc()
  }

  /** True when this encoder can encode such frames. */
  fits(frame: Size & { matrix: Matrix }): boolean {
    return isForFrame(this.options, frame)
  }

  /**
   * Encodes a frame to an Annex-B access unit. `at`: ms of a monotonic clock, larger than the last. Rejects when the
   * encoder is broken and must be reopened.
   */
  async encode(pixels: Frame, { at, keyframe }: { at: number; keyframe: boolean }): Promise<Buffer> {
    // only between frames: the encoder has threads of its own
    if (this.bitrate !== this.#appliedBitrate) setRate(this.#context, this.bitrate)
    this.#appliedBitrate = this.bitrate
    const coded = { context: this.#context, packet: this.#packet }
    const data = await encodeFrame(coded, pixels, { at, keyframe })
    markProfile(data)
    return data
  }

  [Symbol.dispose](): void {
    this.#packet.free()
    this.#context.freeContext()
  }
}

/**
 * Sets constraint_set2_flag in each SPS, which libx264 omits: the bytes become 42e01f as in the SDP, and Safari compares
 * them. The stream conforms to the Extended profile too. H.264 7.4.2.1.1.
 */
function markProfile(accessUnit: Buffer): void {
  for (const nal of nalUnits(accessUnit)) {
    const type = (nal[0] ?? 0) & 0x1f
    if (type === NAL_SPS) nal[2] = (nal[2] ?? 0) | CONSTRAINT_SET2
    if (type === NAL_SLICE || type === NAL_IDR) return // parameter sets come before the first slice
  }
}

async function openX264(context: CodecContext, options: EncoderOptions): Promise<void> {
  const codec = Codec.findEncoderByName(FF_ENCODER_LIBX264)
  if (!codec) throw new Error('this FFmpeg has no libx264')
  const hd = options.matrix === 'bt709'
  context.allocContext3(codec)
  prepare(context, options)
  context.maxBFrames = 0
  context.level = 31
  context.threadCount = Math.min(MAX_SLICES, availableParallelism())
  context.colorRange = AVCOL_RANGE_MPEG
  context.colorSpace = hd ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M
  context.colorPrimaries = hd ? AVCOL_PRI_BT709 : AVCOL_PRI_SMPTE170M
  context.colorTrc = hd ? AVCOL_TRC_BT709 : AVCOL_TRC_SMPTE170M
  using dictionary = Dictionary.fromObject({
    preset: 'superfast',
    tune: 'zerolatency',
    profile: 'baseline',
    'forced-idr': 1,
    // keyframes on request only, never at scene cuts
    'x264-params': 'repeat-headers=1:scenecut=0',
  })
  check(await context.open2(codec, dictionary), 'open libx264')
}
