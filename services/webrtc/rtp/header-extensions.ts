import { type Extension, RTCRtpHeaderExtensionParameters, type RTCRtpSender, RTP_EXTENSION_URI } from 'werift'

/** WebRTC's header extension "playout-delay", which libwebrtc (browsers, apps) supports. */
const PLAYOUT_DELAY_URI = 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay'
/** Smallest and largest delay, 12 bits each in units of 10 ms: show each frame at once, without a smoothing buffer. */
const NO_PLAYOUT_DELAY = Buffer.from([0, 0, 0])

/** Offered for video. */
export function usePlayoutDelay(): RTCRtpHeaderExtensionParameters {
  return new RTCRtpHeaderExtensionParameters({ uri: PLAYOUT_DELAY_URI })
}

/** The header extensions of one track's packets, known once the answer is applied. RFC 8285. */
export interface HeaderExtensions {
  /** `sequence`: transport-wide sequence number of the packet. */
  forPacket(sequence: number): Extension[]
}

/** Reads what was negotiated, which is private in werift's sender (0.25.2). */
export function negotiatedExtensions(sender: RTCRtpSender): HeaderExtensions {
  const negotiated: RTCRtpHeaderExtensionParameters[] = Reflect.get(sender, 'headerExtensions')
  const mid: string | undefined = Reflect.get(sender, 'mid')
  const idOf = (uri: string) => negotiated.find((one) => one.uri === uri)?.id
  const midId = idOf(RTP_EXTENSION_URI.sdesMid)
  const delayId = idOf(PLAYOUT_DELAY_URI)
  const transportId = idOf(RTP_EXTENSION_URI.transportWideCC)
  const fixed: Extension[] = []
  if (mid && midId !== undefined) fixed.push({ id: midId, payload: Buffer.from(mid) })
  if (delayId !== undefined) fixed.push({ id: delayId, payload: NO_PLAYOUT_DELAY })
  return {
    forPacket(sequence) {
      if (transportId === undefined) return fixed
      const payload = Buffer.allocUnsafe(2)
      payload.writeUInt16BE(sequence)
      return [...fixed, { id: transportId, payload }].sort((a, b) => a.id - b.id)
    },
  }
}
