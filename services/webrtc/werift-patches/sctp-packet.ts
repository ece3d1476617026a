/**
 * Validates an SCTP packet before werift 0.25.2 (sctp/chunk.js) parses it: that loops forever on a chunk or parameter of
 * length 0, and expands every gap block of a SACK, so one packet could block the event loop for seconds, or end the process.
 */

const COMMON_HEADER = 12
const HEADER = 4
/** Streams that one FORWARD TSN or stream reset names. */
const MAX_STREAMS = 64
/** TSNs that the gap blocks of one SACK cover: more than we ever have in flight. */
const MAX_SACKED = 2_048
/** RFC 6525 §3.1: one or two parameters. Those of INIT and of error causes are a few. */
const MAX_PARAMETERS = 16

/** Offset of the parameters in the body of a chunk, by its type. RFC 9260 §3.3, RFC 6525 §3.1. */
const PARAMETERS_AT: Record<number, number> = { 1: 16, 2: 16, 4: 0, 5: 0, 6: 0, 9: 0, 130: 0 }
const SACK = 3
const FORWARD_TSN = 192

/** Number of chunks and parameters of a packet; undefined when it is malformed. RFC 9260 §3.2. */
export function sctpPacketCost(packet: Buffer): number | undefined {
  let cost = 0
  const chunks = split(packet.subarray(COMMON_HEADER))
  for (const { type, body } of chunks ?? []) {
    // of a malformed one the sum is no number
    cost += 1 + (chunkCost(type, body) ?? Number.NaN)
  }
  return cost > 0 ? cost : undefined
}

/** Parameters of one chunk; undefined when it is malformed. */
function chunkCost(type: number, body: Buffer): number | undefined {
  if (type === SACK) return isSack(body) ? 0 : undefined
  if (type === FORWARD_TSN) return isForwardTsn(body) ? 0 : undefined
  const at = PARAMETERS_AT[type]
  if (at === undefined) return 0
  const parameters = split(body.subarray(at))
  return parameters && parameters.length <= MAX_PARAMETERS ? parameters.length : undefined
}

/** Chunks and parameters have a header of the same size; undefined when their lengths do not fit. */
function split(data: Buffer): { type: number; body: Buffer }[] | undefined {
  const parts: { type: number; body: Buffer }[] = []
  for (let at = 0; at + HEADER <= data.length; ) {
    const length = data.readUInt16BE(at + 2)
    if (length < HEADER || at + length > data.length) return undefined
    parts.push({ type: data.readUInt8(at), body: data.subarray(at + HEADER, at + length) })
    at += Math.ceil(length / 4) * 4
  }
  return parts
}

/** RFC 9260 §3.3.4. */
function isSack(body: Buffer): boolean {
  if (body.length < 12) return false
  const gaps = body.readUInt16BE(8)
  if (12 + 4 * (gaps + body.readUInt16BE(10)) > body.length) return false
  let sacked = 0
  for (let at = 12; at < 12 + 4 * gaps; at += 4) {
    const [start, end] = [body.readUInt16BE(at), body.readUInt16BE(at + 2)]
    if (start === 0 || end < start) return false
    sacked += end - start + 1
  }
  return sacked <= MAX_SACKED
}

/** RFC 3758 §3.2. */
function isForwardTsn(body: Buffer): boolean {
  return body.length >= 4 && body.length % 4 === 0 && (body.length - 4) / 4 <= MAX_STREAMS
}
