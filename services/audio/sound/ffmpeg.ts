import { type ChannelLayout, FFmpegError, Log } from 'node-av'
import { AV_CHANNEL_ORDER_NATIVE, AV_LOG_FATAL } from 'node-av/constants'

// errors are returned as codes; FFmpeg's log on stderr adds nothing to them
Log.setLevel(AV_LOG_FATAL)

/** FFmpeg's AV_CH_LAYOUT_MONO and AV_CH_LAYOUT_STEREO. */
export const MONO: ChannelLayout = { nbChannels: 1, order: AV_CHANNEL_ORDER_NATIVE, mask: 4n }
export const STEREO: ChannelLayout = { nbChannels: 2, order: AV_CHANNEL_ORDER_NATIVE, mask: 3n }

/** Throws the FFmpeg error of a negative code. */
export function check(code: number, doing: string): void {
  FFmpegError.throwIfError(code, doing)
}
