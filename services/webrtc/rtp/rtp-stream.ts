import { randomInt } from 'node:crypto'
import type { HeaderExtensions } from './header-extensions.ts'
import type { SrtpEncryption } from './srtp-encryption.ts'

/** RTP version 2 with a header extension. RFC 3550 §5.1. */
const FIRST_BYTE = 0x80
const EXTENSION_BIT = 0x10
const FIXED_HEADER = 12
const MARKER = 0x80
/** An RTX payload starts with the sequence number of the original. RFC 4588 §4. */
const ORIGINAL_SEQUENCE = 2

export interface RtpStreamOptions {
  ssrc: number
  payloadType: number
  extensions: HeaderExtensions
  encryption: SrtpEncryption
  /** Sequence number of the first packet; random by default. */
  sequence?: number
}

interface OutgoingPacket {
  /** RTP timestamp. */
  timestamp: number
  marker: boolean
  payload: Buffer
  /** Sequence number of the packet that this one retransmits, on a stream of retransmissions. */
  original?: number
}

/** The packets of one SSRC: numbers, writes and encrypts them. */
export class RtpStream {
  readonly #encryption: SrtpEncryption
  readonly #header: Buffer
  readonly #payloadType: number
  /** Offset of the transport-wide sequence number in the header. */
  readonly #transportSequenceAt: number | undefined
  #sequence: number
  #rollover = 0

  constructor({ ssrc, payloadType, extensions, encryption, sequence }: RtpStreamOptions) {
    // RFC 3711 §3.3.1: a first number in the lower half keeps the rollover counter unambiguous when early packets are lost
    this.#sequence = sequence ?? randomInt(0x8000)
    this.#encryption = encryption
    this.#payloadType = payloadType
    const { bytes, transportSequenceAt } = extensions
    this.#header = Buffer.concat([Buffer.alloc(FIXED_HEADER), bytes])
    this.#header[0] = FIRST_BYTE | (bytes.length > 0 ? EXTENSION_BIT : 0)
    this.#header.writeUInt32BE(ssrc, 8)
    this.#transportSequenceAt =
      transportSequenceAt === undefined ? undefined : FIXED_HEADER + transportSequenceAt
  }

  /** The sequence number of the next packet. */
  get sequence(): number {
    return this.#sequence
  }

  /** Bytes of a packet with such a payload, without those of UDP and IP. */
  size({ payload, original }: Pick<OutgoingPacket, 'payload' | 'original'>): number {
    const prefix = original === undefined ? 0 : ORIGINAL_SEQUENCE
    return this.#header.length + prefix + payload.length + this.#encryption.tagLength
  }

  /** The next packet, encrypted; `transportSequence` is its transport-wide sequence number. */
  write(packet: OutgoingPacket, transportSequence: number): Buffer {
    const { timestamp, marker, payload, original } = packet
    const bytes = Buffer.allocUnsafe(this.size(packet))
    const header = this.#header.length
    this.#header.copy(bytes)
    bytes[1] = (marker ? MARKER : 0) | this.#payloadType
    bytes.writeUInt16BE(this.#sequence, 2)
    bytes.writeUInt32BE(timestamp, 4)
    if (this.#transportSequenceAt !== undefined) {
      bytes.writeUInt16BE(transportSequence, this.#transportSequenceAt)
    }
    const at = original === undefined ? header : bytes.writeUInt16BE(original, header)
    payload.copy(bytes, at)
    this.#encryption.encrypt(bytes, header, this.#rollover)
    this.#sequence = (this.#sequence + 1) & 0xffff
    if (this.#sequence === 0) this.#rollover = (this.#rollover + 1) >>> 0
    return bytes
  }
}
