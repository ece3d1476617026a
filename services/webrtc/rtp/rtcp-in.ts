import {
  GenericNack,
  PictureLossIndication,
  type RtcpPacket,
  RtcpPayloadSpecificFeedback,
  type RtcpReceiverInfo,
  RtcpRrPacket,
  RtcpSrPacket,
  RtcpTransportLayerFeedback,
} from 'werift'

/** Full Intra Request: werift reads it and tells nobody. RFC 5104 §4.3.1. */
const FIR = 4

/** Does the viewer ask for a keyframe of this track, by PLI (RFC 4585 §6.3.1) or FIR? */
export function wantsKeyframe(packet: RtcpPacket, ssrc: number): boolean {
  if (!(packet instanceof RtcpPayloadSpecificFeedback)) return false
  const feedback: { count?: number; mediaSsrc?: number; fir?: { ssrc: number }[] } | undefined =
    packet.feedback
  if (feedback instanceof PictureLossIndication) return feedback.mediaSsrc === ssrc
  return feedback?.count === FIR && feedback.fir?.some((entry) => entry.ssrc === ssrc) === true
}

/** What this packet reports about the reception of this track. RFC 3550 §6.4. */
export function receptionOf(packet: RtcpPacket, ssrc: number): RtcpReceiverInfo | undefined {
  if (!(packet instanceof RtcpRrPacket || packet instanceof RtcpSrPacket)) return undefined
  return packet.reports.find((report) => report.ssrc === ssrc)
}

/** Sequence numbers of this track that the viewer misses. RFC 4585 §6.2.1. */
export function missing(packet: RtcpPacket, ssrc: number): readonly number[] {
  if (!(packet instanceof RtcpTransportLayerFeedback)) return []
  const feedback: unknown = packet.feedback
  return feedback instanceof GenericNack && feedback.mediaSourceSsrc === ssrc ? feedback.lost : []
}
