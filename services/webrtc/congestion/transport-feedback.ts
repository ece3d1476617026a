import { type RtcpPacket, RtcpTransportLayerFeedback, RunLengthChunk, TransportWideCC } from 'werift'

/** What the viewer says of one packet of ours. */
export interface Arrival {
  /** Transport-wide sequence number, 16 bits. */
  sequence: number
  /** When it arrived, milliseconds of the viewer's clock; undefined: not (yet). */
  at: number | undefined
}

/** Unit of the reference time in milliseconds. draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1. */
const REFERENCE = 64
const RECEIVED_SMALL = 1
const RECEIVED_LARGE = 2

/**
 * The packets that a transport-wide feedback message is about; undefined for any other message. werift's own
 * `packetResults` (0.25.2) leaves out status vector chunks and counts one packet too many in each run.
 */
export function arrivalsOf(packet: RtcpPacket): Arrival[] | undefined {
  if (!(packet instanceof RtcpTransportLayerFeedback)) return undefined
  const { feedback } = packet
  if (!(feedback instanceof TransportWideCC)) return undefined
  const { baseSequenceNumber, packetStatusCount, referenceTime, packetChunks, recvDeltas } = feedback
  const statuses = packetChunks.flatMap((chunk) =>
    chunk instanceof RunLengthChunk
      ? Array.from({ length: chunk.runLength }, () => chunk.packetStatus as number)
      : chunk.symbolList,
  )
  let at = referenceTime * REFERENCE
  let delta = 0
  return statuses.slice(0, packetStatusCount).map((status, i) => {
    const sequence = (baseSequenceNumber + i) & 0xffff
    if (status !== RECEIVED_SMALL && status !== RECEIVED_LARGE) return { sequence, at: undefined }
    at += (recvDeltas[delta++]?.delta ?? 0) / 1000
    return { sequence, at }
  })
}
