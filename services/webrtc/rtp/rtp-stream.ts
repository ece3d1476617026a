import { randomInt } from 'node:crypto'
import { HEADROOM, type PlainPacket, type SrtpEncryption } from '../srtp/srtp-encryption.ts'
import { type HeaderExtensions, playoutDelay } from './header-extensions.ts'

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
  /** Transport-wide sequence number. */
  transportSequence: number
  /** Sequence number of the packet that this one retransmits, on a stream of retransmissions. */
  original?: number | undefined
}

/** The packets of one SSRC: numbers, writes and encrypts them. */
export class RtpStream {
  readonly #encryption: SrtpEncryption
  readonly #header: Buffer
  readonly #payloadType: number
  /** Offset of the transport-wide sequence number in the header. */
  readonly #transportSequenceAt: number | undefined
  /** Of the playout delay. */
  readonly #playoutDelayAt: number | undefined
  #sequence: number
  #rollover = 0

  constructor({ ssrc, payloadType, extensions, encryption, sequence }: RtpStreamOptions) {
    // RFC 3711 §3.3.1: a first number in the lower half keeps the rollover counter unambiguous when early packets are lost
    this.#sequence = sequence ?? randomInt(0x8000)
    this.#encryption = encryption
    this.#payloadType = payloadType
    const { bytes, transportSequenceAt, playoutDelayAt } = extensions
    this.#header = Buffer.concat([Buffer.alloc(FIXED_HEADER), bytes])
    this.#header[0] = FIRST_BYTE | (bytes.length > 0 ? EXTENSION_BIT : 0)
    this.#header.writeUInt32BE(ssrc, 8)
    this.#transportSequenceAt =
      transportSequenceAt === undefined ? undefined : FIXED_HEADER + transportSequenceAt
    this.#playoutDelayAt = playoutDelayAt === undefined ? undefined : FIXED_HEADER + playoutDelayAt
  }

  /** The longest time (ms) for which the viewer may hold frames back, in the packets from now on. */
  setMaxPlayoutDelay(ms: number): void {
    if (this.#playoutDelayAt !== undefined) this.#header.set(playoutDelay(ms), this.#playoutDelayAt)
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

  /** The next packets, encrypted, all in one new buffer. */
  write(packets: readonly OutgoingPacket[]): Buffer[] {
    let end = 0
    const written: PlainPacket[] = packets.map((packet) => {
      const at = end + HEADROOM
      const tagAt = at + this.size(packet) - this.#encryption.tagLength
      // payloads start at a multiple of four
      end = (tagAt + this.#encryption.tagLength + 3) & ~3
      return { at, payloadAt: at + this.#header.length, tagAt, rollover: 0 }
    })
    const buffer = Buffer.allocUnsafeSlow(end)
    for (const [i, packet] of packets.entries()) this.#write(buffer, packet, written[i] as PlainPacket)
    this.#encryption.encrypt(buffer, written)
    return written.map(({ at, tagAt }) => buffer.subarray(at, tagAt + this.#encryption.tagLength))
  }

  #write(
    buffer: Buffer,
    { timestamp, marker, payload, original, transportSequence }: OutgoingPacket,
    to: PlainPacket,
  ) {
    const { at, payloadAt } = to
    buffer.set(this.#header, at)
    buffer[at + 1] = (marker ? MARKER : 0) | this.#payloadType
    buffer.writeUInt16BE(this.#sequence, at + 2)
    buffer.writeUInt32BE(timestamp, at + 4)
    if (this.#transportSequenceAt !== undefined) {
      buffer.writeUInt16BE(transportSequence, at + this.#transportSequenceAt)
    }
    const mediaAt = original === undefined ? payloadAt : buffer.writeUInt16BE(original, payloadAt)
    payload.copy(buffer, mediaAt)
    to.rollover = this.#rollover
    this.#sequence = (this.#sequence + 1) & 0xffff
    if (this.#sequence === 0) this.#rollover = (this.#rollover + 1) >>> 0
  }
}
