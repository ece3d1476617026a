import {
  type Extension,
  type RTCRtpHeaderExtensionParameters,
  type RTCRtpSender,
  RTP_EXTENSION_URI,
} from 'werift'
import { playoutDelay } from './playout-delay.ts'

/** What the packets of one track carry in their headers, once the answer is there. RFC 8285. */
export interface HeaderExtensions {
  /** `sequence`: the transport-wide number of the packet. */
  of(sequence: number): Extension[]
}

/** Reads what was negotiated, which is private to werift's sender (0.25.2). */
export function negotiatedExtensions(sender: RTCRtpSender): HeaderExtensions {
  const negotiated: RTCRtpHeaderExtensionParameters[] = Reflect.get(sender, 'headerExtensions')
  const idOf = (uri: string) => negotiated.find((one) => one.uri === uri)?.id
  const mid: string | undefined = Reflect.get(sender, 'mid')
  const midId = idOf(RTP_EXTENSION_URI.sdesMid)
  const wide = idOf(RTP_EXTENSION_URI.transportWideCC)
  const fixed = [
    ...(mid && midId !== undefined ? [{ id: midId, payload: Buffer.from(mid) }] : []),
    ...playoutDelay(sender),
  ]
  return {
    of(sequence) {
      if (wide === undefined) return fixed
      const payload = Buffer.allocUnsafe(2)
      payload.writeUInt16BE(sequence)
      return [...fixed, { id: wide, payload }].sort((a, b) => a.id - b.id)
    },
  }
}
