/** Talk (32 bits), sequence number (16), RTP timestamp (32), big-endian; then the Opus packet. */
const HEADER_BYTES = 10

/** A packet of a viewer's voice. RFC 7587. */
export interface TalkPacket {
  /** Identifies one talk of one viewer. */
  talk: number
  /** Of its RTP packet: 16 bits, one more than that of the packet before. */
  sequence: number
  /** 48 kHz, 32 bits. */
  timestamp: number
  /** Empty: the talk has ended. */
  data: Buffer
}

export function encodeTalkPacket({ talk, sequence, timestamp, data }: TalkPacket): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(talk, 0)
  header.writeUInt16BE(sequence, 4)
  header.writeUInt32BE(timestamp, 6)
  return Buffer.concat([header, data])
}

/** Undefined for a message that is too short. The data shares memory with it. */
export function decodeTalkPacket(bytes: Buffer): TalkPacket | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  return {
    talk: bytes.readUInt32BE(0),
    sequence: bytes.readUInt16BE(4),
    timestamp: bytes.readUInt32BE(6),
    data: bytes.subarray(HEADER_BYTES),
  }
}
