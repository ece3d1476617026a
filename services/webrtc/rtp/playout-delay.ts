import { RTCRtpHeaderExtensionParameters, type RTCRtpSender, type RtpHeader } from 'werift'

/** WebRTC's header extension "playout-delay", which libwebrtc, so browsers and apps, understand. */
const URI = 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay'
/** Least and most delay, 12 bits each in units of 10 ms: show every picture at once, hold none back to smooth the motion. */
const AT_ONCE = Buffer.from([0, 0, 0])

/** To be offered for video. */
export function usePlayoutDelay(): RTCRtpHeaderExtensionParameters {
  return new RTCRtpHeaderExtensionParameters({ uri: URI })
}

/** What a packet carries when the viewer took the extension. */
export function playoutDelay(sender: RTCRtpSender): RtpHeader['extensions'] {
  // what was negotiated is private to werift's sender (0.25.2), which adds only the extensions that it knows by itself
  const negotiated: RTCRtpHeaderExtensionParameters[] = Reflect.get(sender, 'headerExtensions')
  const id = negotiated.find(({ uri }) => uri === URI)?.id
  return id === undefined ? [] : [{ id, payload: AT_ONCE }]
}
