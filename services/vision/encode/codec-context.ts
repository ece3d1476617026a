import { AV_PICTURE_TYPE_I, AV_PICTURE_TYPE_NONE, AV_PIX_FMT_YUV420P } from 'node-av/constants'
import { CodecContext, type Frame, type Packet, Rational } from 'node-av/lib'
import type { Matrix } from '../image/color.ts'
import type { Size } from '../image/fit.ts'
import { check } from '../image/pixels.ts'

export interface EncoderOptions extends Size {
  fps: number
  /** bit/s */
  bitrate: number
  matrix: Matrix
}

const RTP_CLOCK_HZ = 90_000
/** Interval of keyframes without a request. */
const GOP_SECONDS = 10
/** Rate-control buffer; bounds the size of a keyframe. */
const BUFFER_SECONDS = 0.4

/** The context of an encoder, opened by `open`; it is freed when `open` rejects. */
export async function openContext(
  options: EncoderOptions,
  open: (context: CodecContext, options: EncoderOptions) => Promise<void>,
): Promise<CodecContext> {
  const context = new CodecContext()
  try {
    await open(context, options)
  } catch (err) {
    context.freeContext()
    throw err
  }
  return context
}

/** True when an encoder with these options can encode such frames. */
export function isForFrame(options: EncoderOptions, frame: Size & { matrix: Matrix }): boolean {
  return options.width === frame.width && options.height === frame.height && options.matrix === frame.matrix
}

/** Sets the options that all encoders share, before the context is opened. */
export function prepare(context: CodecContext, options: EncoderOptions): void {
  context.width = options.width
  context.height = options.height
  context.pixelFormat = AV_PIX_FMT_YUV420P
  context.timeBase = new Rational(1, RTP_CLOCK_HZ)
  context.framerate = new Rational(Math.round(options.fps * 1000), 1000)
  context.gopSize = Math.round(GOP_SECONDS * options.fps)
  setRate(context, options.bitrate)
}

/** `bitrate` in bit/s. */
export function setRate(context: CodecContext, bitrate: number): void {
  context.bitRate = BigInt(Math.round(bitrate))
  context.rcMaxRate = BigInt(Math.round(bitrate))
  context.rcBufferSize = Math.round(bitrate * BUFFER_SECONDS)
}

/** Encodes one frame. `at`: ms of a monotonic clock, larger than the last. Rejects when the encoder is broken. */
export async function encodeFrame(
  { context, packet }: { context: CodecContext; packet: Packet },
  pixels: Frame,
  { at, keyframe }: { at: number; keyframe: boolean },
): Promise<Buffer> {
  pixels.pts = BigInt(Math.round((at * RTP_CLOCK_HZ) / 1000))
  pixels.pictType = keyframe ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE
  check(await context.sendFrame(pixels), 'encode')
  // it is complete by now: waiting for a thread again costs more
  check(context.receivePacketSync(packet), 'encode')
  // a copy: the memory of the packet returns to the encoder
  const data = Buffer.from(packet.data ?? [])
  packet.unref()
  return data
}
