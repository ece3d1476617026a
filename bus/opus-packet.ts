import { ContractError } from './contract-error.ts'

/** One Opus packet with its capture time. */
interface OpusPacket {
  /** When its first sample was captured, µs since the epoch. */
  capturedAt: bigint
  /** RFC 6716 §3. */
  data: Buffer
}

const HEADER_BYTES = 8

/** The packet as it is published: the capture time, big-endian, then the data. */
export function encodeOpusPacket({ capturedAt, data }: OpusPacket): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeBigUInt64BE(capturedAt)
  return Buffer.concat([header, data])
}

/** Reads what {@link encodeOpusPacket} wrote. Throws {@link ContractError} for anything else. */
export function decodeOpusPacket(bytes: Buffer): OpusPacket {
  if (bytes.length <= HEADER_BYTES) throw new ContractError('not an Opus packet: too short')
  return { capturedAt: bytes.readBigUInt64BE(), data: bytes.subarray(HEADER_BYTES) }
}
