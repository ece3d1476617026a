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
import { usePlayoutDelay } from './playout-delay.ts'

const H264 = 102
const H264_RTX = 103
const OPUS = 111

/**
 * What we offer. H.264 constrained baseline, level 3.1, as the encoder makes it (Safari compares the bytes of the SPS
 * with this); in upper case, because Chromium takes no RTP for `h264`. Opus is 48000/2 by RFC 7587 §4.1, with one
 * channel in it. Without abs-send-time: werift's clock for it is wrong below a second.
 */
export function offeredCodecs(): Pick<PeerConfig, 'codecs' | 'headerExtensions'> {
  // werift numbers the extensions by their place in both lists: shared objects get the same id in every m-line
  const headerExtensions = [useSdesMid(), useTransportWideCC()]
  return {
    codecs: {
      video: [
        new RTCRtpCodecParameters({
          mimeType: 'video/H264',
          clockRate: 90_000,
          payloadType: H264,
          parameters: 'profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1',
          rtcpFeedback: [useNACK(), usePLI(), useFIR(), useREMB(), useTWCC()],
        }),
        new RTCRtpCodecParameters({
          mimeType: 'video/rtx',
          clockRate: 90_000,
          payloadType: H264_RTX,
          parameters: `apt=${H264}`,
        }),
      ],
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
