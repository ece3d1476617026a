import { availableParallelism } from 'node:os'
import { Codec, CodecContext, Dictionary, type Frame, Packet } from 'node-av'
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
import { nalUnits } from '#bus/access-unit.ts'
import type { Matrix } from '../image/color.ts'
import type { Size } from '../image/fit.ts'
import { check } from '../image/pixels.ts'
import { encodePicture, prepare, setRate } from './codec-context.ts'

const NAL_SLICE = 1
const NAL_IDR = 5
const NAL_SPS = 7
const CONSTRAINT_SET2 = 0x20

export interface EncoderOptions extends Size {
  fps: number
  /** bit/s */
  bitrate: number
  matrix: Matrix
}

/** Slices are encoded in parallel; each costs a little quality and a packet. */
const MAX_SLICES = 4

/**
 * libx264 as a viewer over WebRTC needs it: constrained baseline level 3.1 (profile-level-id 42e01f), no B-frames, no
 * lookahead, SPS and PPS before each IDR picture, bitrate changed while it runs.
 */
export class Encoder implements Disposable {
  readonly options: Readonly<EncoderOptions>
  readonly #context: CodecContext
  readonly #packet = new Packet()
  /** bit/s, from the next picture on. */
  bitrate: number
  #appliedBitrate: number

  /** Opens the encoder; rejects when libx264 will not have these options. */
  static async open(options: EncoderOptions): Promise<Encoder> {
    const context = new CodecContext()
    try {
      await openX264(context, options)
    } catch (err) {
      context.freeContext()
      throw err
    }
    return new Encoder(context, options)
  }

  private constructor(context: CodecContext, options: EncoderOptions) {
    this.#context = context
    this.options = options
    this.bitrate = options.bitrate
    this.#appliedBitrate = options.bitrate
    this.#packet.alloc()
  }

  /** Does this encoder fit pictures of that kind? */
  fits({ width, height, matrix }: Size & { matrix: Matrix }): boolean {
    const { options } = this
    return options.width === width && options.height === height && options.matrix === matrix
  }

  /**
   * The access unit of one picture, Annex-B. `at` in milliseconds of a monotonic clock, larger than the last.
   * Rejects when the encoder is broken; open another one then.
   */
  async encode(pixels: Frame, { at, keyframe }: { at: number; keyframe: boolean }): Promise<Buffer> {
    // never while the encoder is at work on its own thread
    if (this.bitrate !== this.#appliedBitrate) setRate(this.#context, this.bitrate)
    this.#appliedBitrate = this.bitrate
    const coded = { context: this.#context, packet: this.#packet }
    const data = await encodePicture(coded, pixels, { at, keyframe })
    markProfile(data)
    return data
  }

  [Symbol.dispose](): void {
    this.#packet.free()
    this.#context.freeContext()
  }
}

/**
 * Sets constraint_set2_flag in each SPS: the stream keeps to the Extended profile too, and the bytes become 42e01f, just as
 * the SDP has it, which Safari compares. libx264 leaves the flag out. H.264 7.4.2.1.1.
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
    // a keyframe comes when asked for, never because the picture changed much
    'x264-params': 'repeat-headers=1:scenecut=0',
  })
  check(await context.open2(codec, dictionary), 'open libx264')
}
