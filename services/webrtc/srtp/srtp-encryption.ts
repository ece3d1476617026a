/**
 * SRTP for many packets a second: our RTP packets are encrypted here, the RTCP of viewers decrypted, byte for byte as werift would.
 * `rtp/` writes packets with it, `werift-patches/` takes the keys from werift. It imports no other room.
 */
import { createCipheriv, type KeyObject } from 'node:crypto'
import { CounterKeystream, keystreamWords } from './counter-keystream.ts'
import { HmacSha1, KEY_BLOCK } from './hmac-sha1.ts'

/** Protection profiles. RFC 5764 §4.1.2, RFC 7714 §14.2. */
const AES128_CM_HMAC_SHA1_80 = 0x0001
const AEAD_AES_128_GCM = 0x0007
const SHA1_TAG = 10
const GCM_TAG = 16
const GCM_OPTIONS = { authTagLength: GCM_TAG }
/** Offset of the sequence number and of the SSRC in an RTP header. RFC 3550 §5.1. */
const SEQUENCE = 2
const SSRC = 8
/** Bytes that must be free before each packet: the key block of its tag. */
export const HEADROOM = KEY_BLOCK

/** The keys that encrypt our own RTP packets. RFC 3711 §3.2.1. */
export interface SrtpKeys {
  /** Protection profile, RFC 5764 §4.1.2. */
  profile: number
  encryption: KeyObject
  authentication: KeyObject
  salt: Buffer
}

/** A packet in the buffer of its burst: header and payload are written, the tag is not. */
export interface PlainPacket {
  /** Offset of the header. */
  at: number
  /** Offset of the payload, a multiple of four. */
  payloadAt: number
  /** Offset of the tag. */
  tagAt: number
  /** How often the sequence number has wrapped. RFC 3711 §3.3.1. */
  rollover: number
}

/**
 * Encrypts our RTP packets in place. Ours and not werift's `SrtpSession` (0.25.2), which makes seven buffers for each
 * packet and turns the header into bits and back.
 */
export interface SrtpEncryption {
  /** Bytes that each packet needs behind its payload. */
  readonly tagLength: number
  /**
   * Encrypts the payloads and writes the tags of one burst. `buffer` starts at a multiple of four bytes in its memory, and has
   * {@link HEADROOM} bytes before each packet, which it overwrites.
   */
  encrypt(buffer: Buffer, packets: readonly PlainPacket[]): void
}

/** Throws for a profile that the DTLS handshake never selects. */
export function createSrtpEncryption(keys: SrtpKeys): SrtpEncryption {
  if (keys.profile === AEAD_AES_128_GCM) return createGcm(keys)
  if (keys.profile === AES128_CM_HMAC_SHA1_80) return createCounterMode(keys)
  throw new Error(`unknown SRTP protection profile ${keys.profile}`)
}

/** RFC 7714 §8. */
function createGcm({ encryption, salt }: SrtpKeys): SrtpEncryption {
  const base = Buffer.from(salt.subarray(0, 12))
  const iv = Buffer.alloc(12)
  return {
    tagLength: GCM_TAG,
    encrypt(buffer, packets) {
      for (const packet of packets) {
        const { at, payloadAt, tagAt } = packet
        writeVector(iv, { base, ssrcAt: 2 }, buffer, packet)
        const cipher = createCipheriv('aes-128-gcm', encryption, iv, GCM_OPTIONS)
        cipher.setAAD(buffer.subarray(at, payloadAt))
        cipher.update(buffer.subarray(payloadAt, tagAt)).copy(buffer, payloadAt)
        cipher.final()
        cipher.getAuthTag().copy(buffer, tagAt)
      }
    },
  }
}

/** RFC 3711 §4.1.1 and §4.2.1. */
function createCounterMode({ encryption, authentication, salt }: SrtpKeys): SrtpEncryption {
  const base = Buffer.alloc(16)
  salt.copy(base, 0, 0, 14)
  const words = new Uint32Array(4)
  const vector = Buffer.from(words.buffer)
  const keystream = new CounterKeystream(encryption)
  const hmac = new HmacSha1(authentication)
  return {
    tagLength: SHA1_TAG,
    encrypt(buffer, packets) {
      for (const packet of packets) {
        writeVector(vector, { base, ssrcAt: 4 }, buffer, packet)
        keystream.add(words, packet.tagAt - packet.payloadAt)
      }
      combine(buffer, packets, keystream.take())
      for (const { at, tagAt, rollover } of packets) {
        // the rollover counter is authenticated but not sent: it stands where the tag goes
        const end = buffer.writeUInt32BE(rollover, tagAt)
        buffer.write(hmac.digest(buffer, at, end), tagAt, SHA1_TAG, 'binary')
      }
    },
  }
}

/** Combines payloads and keystreams by XOR, in words: the last one may reach into the tag, which is written later. */
function combine(buffer: Buffer, packets: readonly PlainPacket[], keystreams: Uint32Array): void {
  const words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length >> 2)
  let start = 0
  for (const { payloadAt, tagAt } of packets) {
    const from = payloadAt >> 2
    const count = (tagAt - payloadAt + 3) >> 2
    for (let i = 0; i < count; i++) words[from + i] = (words[from + i] ?? 0) ^ (keystreams[start + i] ?? 0)
    start += keystreamWords(tagAt - payloadAt)
  }
}

/** The salt, padded with zeros, and where the SSRC stands in it. */
interface VectorBase {
  base: Buffer
  ssrcAt: number
}

/** The salt combined by XOR with SSRC, rollover counter and sequence number, which follow each other. */
function writeVector(
  vector: Buffer,
  { base, ssrcAt }: VectorBase,
  buffer: Buffer,
  { at, rollover }: PlainPacket,
): void {
  vector.set(base)
  vector.writeUInt32BE((base.readUInt32BE(ssrcAt) ^ buffer.readUInt32BE(at + SSRC)) >>> 0, ssrcAt)
  vector.writeUInt32BE((base.readUInt32BE(ssrcAt + 4) ^ rollover) >>> 0, ssrcAt + 4)
  vector.writeUInt16BE(base.readUInt16BE(ssrcAt + 8) ^ buffer.readUInt16BE(at + SEQUENCE), ssrcAt + 8)
}
