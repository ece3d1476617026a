import type { PacketArrival } from '../congestion/sent-packets.ts'

/** Packets that one feedback message may report on: more than are ever unreported. */
const MAX_STATUSES = 2_048
const HEADER = 20
/** Offsets in the packet: first sequence number, number of packets, reference time (24 bits). */
const BASE = 12
const COUNT = 14
const REFERENCE = 16
/** Unit of the reference time, and units of a delta in one, in ms. */
const REFERENCE_MS = 64
const DELTAS_PER_MS = 4
const RECEIVED_SMALL = 1
const RECEIVED_LARGE = 2

/**
 * A transport-wide feedback message, read from its bytes (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1). It takes the
 * place of werift's `TransportWideCC` (0.25.2), which turns each byte into a text of bits, expands each run as announced (one
 * message of 30 bytes takes milliseconds), skips status vector chunks and counts one packet too many in each run.
 */
export class TransportFeedback {
  /** In order of their numbers. */
  readonly arrivals: readonly PacketArrival[]

  /** `packet` is one RTCP packet with its header. Throws when it reports on more packets than it describes, or on too many. */
  constructor(packet: Buffer) {
    const count = packet.length >= HEADER ? packet.readUInt16BE(COUNT) : Number.POSITIVE_INFINITY
    if (count > MAX_STATUSES) throw new Error('malformed transport-wide feedback')
    const { statuses, end } = readStatuses(packet, count)
    this.arrivals = readArrivals(packet, statuses, end)
  }
}

/** The status of each packet, and where the chunks end. */
function readStatuses(packet: Buffer, count: number): { statuses: number[]; end: number } {
  const statuses: number[] = []
  let at = HEADER
  for (; statuses.length < count; at += 2) {
    if (at + 2 > packet.length) throw new Error('malformed transport-wide feedback')
    const chunk = packet.readUInt16BE(at)
    const left = count - statuses.length
    if ((chunk & 0x8000) === 0) addRun(statuses, (chunk >> 13) & 3, Math.min(left, chunk & 0x1fff))
    else if ((chunk & 0x4000) === 0) addVector(statuses, chunk, { symbols: Math.min(left, 14), bits: 1 })
    else addVector(statuses, chunk, { symbols: Math.min(left, 7), bits: 2 })
  }
  return { statuses, end: at }
}

function addRun(statuses: number[], status: number, length: number): void {
  if (length === 0) throw new Error('malformed transport-wide feedback')
  for (let i = 0; i < length; i++) statuses.push(status)
}

/** The first symbol is in the highest of the 14 bits. */
function addVector(
  statuses: number[],
  chunk: number,
  { symbols, bits }: { symbols: number; bits: 1 | 2 },
): void {
  for (let i = 1; i <= symbols; i++) statuses.push((chunk >> (14 - i * bits)) & (bits === 1 ? 1 : 3))
}

function readArrivals(packet: Buffer, statuses: readonly number[], deltasAt: number): PacketArrival[] {
  const base = packet.readUInt16BE(BASE)
  let at = packet.readUIntBE(REFERENCE, 3) * REFERENCE_MS
  let next = deltasAt
  return statuses.map((status, i) => {
    const sequence = (base + i) & 0xffff
    const length = status === RECEIVED_SMALL ? 1 : status === RECEIVED_LARGE ? 2 : 0
    if (length === 0) return { sequence, at: undefined }
    if (next + length > packet.length) throw new Error('malformed transport-wide feedback')
    at += (length === 1 ? packet.readUInt8(next) : packet.readInt16BE(next)) / DELTAS_PER_MS
    next += length
    return { sequence, at }
  })
}
