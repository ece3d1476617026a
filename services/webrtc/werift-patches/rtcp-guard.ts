import { type RtcpPacket, RtcpPacketConverter } from 'werift'
import { TransportFeedback } from './transport-feedback.ts'

/** Packets of one compound: browsers send some ten. */
const MAX_PACKETS = 32
const HEADER = 4
/** NACK entries of one packet (17 sequence numbers each): more than are kept for retransmission. */
const MAX_NACK_BYTES = 12 + 4 * 64
const TRANSPORT_FEEDBACK = 205
const GENERIC_NACK = 1
const TRANSPORT_WIDE = 15

/**
 * Passes the packets of an RTCP compound to werift one by one, up to a limit. werift 0.25.2 (rtcp/rtcp.js, `deSerialize`)
 * gives each packet the whole rest of the datagram, so a compound of 120 NACKs is read as half a million sequence numbers.
 */
const deserialize = RtcpPacketConverter.deSerialize.bind(RtcpPacketConverter)
RtcpPacketConverter.deSerialize = (data) => splitCompound(data).flatMap(parse)

/** Empty for a malformed packet: the others of its compound, such as a keyframe request, count. */
function parse(packet: Buffer): RtcpPacket[] {
  try {
    // werift passes it on to us without looking inside
    return isFeedback(packet, TRANSPORT_WIDE)
      ? [new TransportFeedback(packet) as unknown as RtcpPacket]
      : deserialize(packet)
  } catch {
    return []
  }
}

/** The packets of a compound, without what exceeds the limits. RFC 3550 §6.1. */
export function splitCompound(data: Buffer): Buffer[] {
  const packets: Buffer[] = []
  for (let at = 0; at + HEADER <= data.length && packets.length < MAX_PACKETS; ) {
    const length = HEADER + 4 * data.readUInt16BE(at + 2)
    if (at + length > data.length) break
    packets.push(withinLimits(data.subarray(at, at + length)))
    at += length
  }
  return packets
}

function withinLimits(packet: Buffer): Buffer {
  return isFeedback(packet, GENERIC_NACK) ? packet.subarray(0, MAX_NACK_BYTES) : packet
}

/** RFC 4585 §6.2. */
function isFeedback(packet: Buffer, format: number): boolean {
  return packet[1] === TRANSPORT_FEEDBACK && ((packet[0] ?? 0) & 0x1f) === format
}
