import {
  GenericNack,
  PictureLossIndication,
  ReceiverEstimatedMaxBitrate,
  type RtcpPacket,
  RtcpPayloadSpecificFeedback,
  RtcpRrPacket,
  RtcpSrPacket,
  RtcpTransportLayerFeedback,
} from 'werift'

/** Full Intra Request: werift parses it but has no event for it. RFC 5104 §4.3.1. */
const FIR = 4

/** Whether the viewer requests a keyframe of this track, by PLI (RFC 4585 §6.3.1) or FIR. */
export function requestsKeyframe(packet: RtcpPacket, ssrc: number): boolean {
  if (!(packet instanceof RtcpPayloadSpecificFeedback)) return false
  const feedback: { count?: number; mediaSsrc?: number; fir?: { ssrc: number }[] } | undefined =
    packet.feedback
  if (feedback instanceof PictureLossIndication) return feedback.mediaSsrc === ssrc
  return feedback?.count === FIR && feedback.fir?.some((entry) => entry.ssrc === ssrc) === true
}

/** A reception report about one track. RFC 3550 §6.4.1. */
export interface ReceptionReport {
  /** Fraction lost since the previous report, 0..1. */
  loss: number
  /** Middle 32 bits of the NTP time of the newest sender report, and the delay since it in 1/65536 s. */
  lastSenderReport: number
  delay: number
}

export function receptionReport(packet: RtcpPacket, ssrc: number): ReceptionReport | undefined {
  if (!(packet instanceof RtcpRrPacket || packet instanceof RtcpSrPacket)) return undefined
  const report = packet.reports.find((one) => one.ssrc === ssrc)
  return report && { loss: report.fractionLost / 256, lastSenderReport: report.lsr, delay: report.dlsr }
}

/** Missing packets that one message may report: as many as are kept. */
const MAX_MISSING = 512

/**
 * Sequence numbers of this track that the viewer reports missing, RFC 4585 §6.2.1: modulo 65536, which werift 0.25.2
 * (rtcp/rtpfb/nack.js, `deSerialize`) leaves out for the bitmask.
 */
export function missingSequences(packet: RtcpPacket, ssrc: number): readonly number[] {
  if (!(packet instanceof RtcpTransportLayerFeedback)) return []
  const feedback: unknown = packet.feedback
  return feedback instanceof GenericNack && feedback.mediaSourceSsrc === ssrc
    ? feedback.lost.slice(0, MAX_MISSING).map((sequence) => sequence & 0xffff)
    : []
}

/** bit/s of a REMB message. draft-alvestrand-rmcat-remb-03 §2.2. */
export function rembBitrate(packet: RtcpPacket): number | undefined {
  if (!(packet instanceof RtcpPayloadSpecificFeedback)) return undefined
  const feedback: unknown = packet.feedback
  return feedback instanceof ReceiverEstimatedMaxBitrate ? Number(feedback.bitrate) : undefined
}
