import { RTCRtpHeaderExtensionParameters, type RTCRtpSender, RTP_EXTENSION_URI } from 'werift'

/** WebRTC's header extension "playout-delay", which libwebrtc (browsers, apps) supports. */
const PLAYOUT_DELAY_URI = 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay'
/** Smallest and largest delay, 12 bits each in units of 10 ms. */
const PLAYOUT_DELAY_UNIT_MS = 10

/** Shows each frame as soon as possible; a viewer that also plays sound may wait for it, for `max` ms at most. */
export function playoutDelay(max: number): Buffer {
  const units = Math.round(max / PLAYOUT_DELAY_UNIT_MS)
  return Buffer.from([0, (units >> 8) & 0x0f, units & 0xff])
}

/** Offered for video. */
export function usePlayoutDelay(): RTCRtpHeaderExtensionParameters {
  return new RTCRtpHeaderExtensionParameters({ uri: PLAYOUT_DELAY_URI })
}

/** One-byte form. RFC 8285 §4.2. */
const ONE_BYTE_PROFILE = 0xbede
const MAX_ONE_BYTE_ID = 14

/** The header extensions of one track's packets, known once the answer is applied. RFC 8285. */
export interface HeaderExtensions {
  /** The whole extension block, the same in each packet but for the number; empty: none. */
  bytes: Buffer
  /** Offset of the transport-wide sequence number in {@link bytes}; undefined: not negotiated. */
  transportSequenceAt: number | undefined
  /** Offset of {@link playoutDelay} in {@link bytes}; undefined: not negotiated. */
  playoutDelayAt: number | undefined
}

/** Reads what was negotiated, which is private in werift's sender (0.25.2). */
export function negotiatedExtensions(sender: RTCRtpSender): HeaderExtensions {
  const negotiated: RTCRtpHeaderExtensionParameters[] = Reflect.get(sender, 'headerExtensions')
  const mid: string | undefined = Reflect.get(sender, 'mid')
  const payloads = new Map<string, Buffer>([
    [PLAYOUT_DELAY_URI, playoutDelay(0)],
    [RTP_EXTENSION_URI.transportWideCC, Buffer.alloc(2)],
  ])
  if (mid) payloads.set(RTP_EXTENSION_URI.sdesMid, Buffer.from(mid))
  const extensions = negotiated
    .flatMap(({ id, uri }) => {
      const payload = payloads.get(uri)
      return payload && id >= 1 && id <= MAX_ONE_BYTE_ID ? [{ id, payload, uri }] : []
    })
    .sort((a, b) => a.id - b.id)
  const { block, offsets } = extensionBlock(extensions)
  const offsetOf = (wanted: string) => offsets[extensions.findIndex(({ uri }) => uri === wanted)]
  return {
    bytes: block,
    transportSequenceAt: offsetOf(RTP_EXTENSION_URI.transportWideCC),
    playoutDelayAt: offsetOf(PLAYOUT_DELAY_URI),
  }
}

/** The block and the offset of each payload in it. */
function extensionBlock(extensions: readonly { id: number; payload: Buffer }[]) {
  const offsets: number[] = []
  if (extensions.length === 0) return { block: Buffer.alloc(0), offsets }
  const length = extensions.reduce((sum, { payload }) => sum + 1 + payload.length, 0)
  const words = Math.ceil(length / 4)
  const block = Buffer.alloc(4 + words * 4)
  block.writeUInt16BE(ONE_BYTE_PROFILE, 0)
  block.writeUInt16BE(words, 2)
  let at = 4
  for (const { id, payload } of extensions) {
    block[at++] = (id << 4) | (payload.length - 1)
    offsets.push(at)
    at += payload.copy(block, at)
  }
  return { block, offsets }
}
