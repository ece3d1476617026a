import {
  type PeerConfig,
  RTCRtpCodecParameters,
  useFIR,
  useNACK,
  usePLI,
  useREMB,
  useSdesMid,
  useTransportWideCC,
  useTWCC,
} from 'werift'
import type { VideoCodec } from '#bus/messages.ts'
import { usePlayoutDelay } from '../rtp/header-extensions.ts'

const H264 = 102
const H264_RTX = 103
const VP8 = 96
const VP8_RTX = 97
const OPUS = 111

/**
 * The codecs of our offer, `first` before the other. H.264 is constrained baseline, level 3.1, as encoded (Safari compares
 * the SPS with this), and in upper case, because Chromium accepts no RTP for `h264`. VP8 is for viewers without H.264. Opus
 * is 48000/2 by RFC 7587 §4.1, although the audio is mono. No abs-send-time: werift's clock for it is wrong below a second.
 */
export function offeredCodecs(first: VideoCodec): Pick<PeerConfig, 'codecs' | 'headerExtensions'> {
  // werift numbers the extensions by their position in both lists: shared objects get the same id in every m-line
  const headerExtensions = [useSdesMid(), useTransportWideCC()]
  const h264 = videoCodec('video/H264', H264, H264_RTX, H264_PARAMETERS)
  const vp8 = videoCodec('video/VP8', VP8, VP8_RTX)
  return {
    codecs: {
      video: first === 'vp8' ? [...vp8, ...h264] : [...h264, ...vp8],
      audio: [
        new RTCRtpCodecParameters({
          mimeType: 'audio/opus',
          clockRate: 48_000,
          channels: 2,
          payloadType: OPUS,
          parameters: 'minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0',
          rtcpFeedback: [useTWCC()],
        }),
      ],
    },
    headerExtensions: { video: [...headerExtensions, usePlayoutDelay()], audio: headerExtensions },
  }
}

export const H264_PARAMETERS = 'profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1'

/** The codec and its retransmission format (RFC 4588 §8.6). */
function videoCodec(mimeType: string, payloadType: number, rtx: number, parameters?: string) {
  return [
    new RTCRtpCodecParameters({
      mimeType,
      clockRate: 90_000,
      payloadType,
      ...(parameters ? { parameters } : {}),
      rtcpFeedback: [useNACK(), usePLI(), useFIR(), useREMB(), useTWCC()],
    }),
    new RTCRtpCodecParameters({
      mimeType: 'video/rtx',
      clockRate: 90_000,
      payloadType: rtx,
      parameters: `apt=${payloadType}`,
    }),
  ]
}
