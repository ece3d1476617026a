import { AV_CHANNEL_ORDER_NATIVE, AV_LOG_FATAL, type AVSampleFormat } from 'node-av/constants'
import { type ChannelLayout, type CodecContext, FFmpegError, Frame, Log } from 'node-av/lib'
import { SAMPLE_RATE } from './format.ts'

// errors are returned as codes; FFmpeg's log on stderr adds nothing to them
Log.setLevel(AV_LOG_FATAL)

/** FFmpeg's AV_CH_LAYOUT_MONO and AV_CH_LAYOUT_STEREO. */
export const MONO: ChannelLayout = { nbChannels: 1, order: AV_CHANNEL_ORDER_NATIVE, mask: 4n }
export const STEREO: ChannelLayout = { nbChannels: 2, order: AV_CHANNEL_ORDER_NATIVE, mask: 3n }

/** Throws the FFmpeg error of a negative code. */
export function check(code: number, doing: string): void {
  FFmpegError.throwIfError(code, doing)
}

interface Samples {
  bytes: Buffer
  count: number
  format: AVSampleFormat
  /** Position of the first one. */
  pts: number
}

/** Gives an encoder samples (48 kHz, mono). */
export function sendSamples(context: CodecContext, { bytes, count, format, pts }: Samples): void {
  const frame = Frame.fromAudioBuffer(bytes, {
    nbSamples: count,
    format,
    sampleRate: SAMPLE_RATE,
    channelLayout: MONO,
    timeBase: { num: 1, den: SAMPLE_RATE },
  })
  frame.pts = BigInt(pts)
  try {
    check(context.sendFrameSync(frame), 'encode')
  } finally {
    frame.free()
  }
}
