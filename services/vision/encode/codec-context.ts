import { type CodecContext, type Frame, type Packet, Rational } from 'node-av'
import { AV_PICTURE_TYPE_I, AV_PICTURE_TYPE_NONE, AV_PIX_FMT_YUV420P } from 'node-av/constants'
import { check } from '../image/pixels.ts'
import type { EncoderOptions } from './encoder.ts'

/** 90 kHz, as RTP counts. */
const CLOCK = 90_000
/** Seconds between keyframes that nobody asked for. */
const GOP = 10
/** Seconds of video that the rate control may be ahead: bounds the size of a keyframe. */
const BUFFER = 0.4

/** What every encoder of ours has in common, before it is opened. */
export function prepare(context: CodecContext, options: EncoderOptions): void {
  context.width = options.width
  context.height = options.height
  context.pixelFormat = AV_PIX_FMT_YUV420P
  context.timeBase = new Rational(1, CLOCK)
  context.framerate = new Rational(Math.round(options.fps * 1000), 1000)
  context.gopSize = Math.round(GOP * options.fps)
  setRate(context, options.bitrate)
}

/** `bitrate` in bit/s. */
export function setRate(context: CodecContext, bitrate: number): void {
  context.bitRate = BigInt(Math.round(bitrate))
  context.rcMaxRate = BigInt(Math.round(bitrate))
  context.rcBufferSize = Math.round(bitrate * BUFFER)
}

/** One picture in, its bytes out. `at` in milliseconds of a monotonic clock, larger than the last. Rejects when the encoder is broken. */
export async function encodePicture(
  { context, packet }: { context: CodecContext; packet: Packet },
  pixels: Frame,
  { at, keyframe }: { at: number; keyframe: boolean },
): Promise<Buffer> {
  pixels.pts = BigInt(Math.round((at * CLOCK) / 1000))
  pixels.pictType = keyframe ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE
  check(await context.sendFrame(pixels), 'encode')
  check(await context.receivePacket(packet), 'encode')
  // a copy: the packet's own memory goes back to the encoder
  const data = Buffer.from(packet.data ?? [])
  packet.unref()
  return data
}
