import { createCipheriv, createHmac } from 'node:crypto'
import type { SrtpKeys } from '../werift-patches/srtp-keys.ts'

/** Protection profiles. RFC 5764 §4.1.2, RFC 7714 §14.2. */
const AES128_CM_HMAC_SHA1_80 = 0x0001
const AEAD_AES_128_GCM = 0x0007
const SHA1_TAG = 10
const GCM_TAG = 16
const GCM_OPTIONS = { authTagLength: GCM_TAG }
/** Offset of the sequence number and of the SSRC in an RTP header. RFC 3550 §5.1. */
const SEQUENCE = 2
const SSRC = 8

/**
 * Encrypts our RTP packets in place. Ours and not werift's `SrtpSession` (0.25.2), which makes seven buffers for each
 * packet and turns the header into bits and back.
 */
export interface SrtpEncryption {
  /** Bytes that each packet needs behind its payload. */
  readonly tagLength: number
  /**
   * Encrypts the payload, from `payloadAt` to the tag, and writes the tag into the last {@link tagLength} bytes.
   * `rollover`: how often the sequence number has wrapped, RFC 3711 §3.3.1.
   */
  encrypt(packet: Buffer, payloadAt: number, rollover: number): void
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
    encrypt(packet, payloadAt, rollover) {
      const end = packet.length - GCM_TAG
      writeVector(iv, { base, at: 2, packet, rollover })
      const cipher = createCipheriv('aes-128-gcm', encryption, iv, GCM_OPTIONS)
      cipher.setAAD(packet.subarray(0, payloadAt))
      cipher.update(packet.subarray(payloadAt, end)).copy(packet, payloadAt)
      cipher.final()
      cipher.getAuthTag().copy(packet, end)
    },
  }
}

/** RFC 3711 §4.1.1 and §4.2.1. */
function createCounterMode({ encryption, authentication, salt }: SrtpKeys): SrtpEncryption {
  const base = Buffer.alloc(16)
  salt.copy(base, 0, 0, 14)
  const counter = Buffer.alloc(16)
  return {
    tagLength: SHA1_TAG,
    encrypt(packet, payloadAt, rollover) {
      const end = packet.length - SHA1_TAG
      writeVector(counter, { base, at: 4, packet, rollover })
      const cipher = createCipheriv('aes-128-ctr', encryption, counter)
      cipher.update(packet.subarray(payloadAt, end)).copy(packet, payloadAt)
      // the rollover counter is authenticated but not sent: it stands where the tag goes
      packet.writeUInt32BE(rollover, end)
      const tag = createHmac('sha1', authentication)
        .update(packet.subarray(0, end + 4))
        .digest()
      tag.copy(packet, end, 0, SHA1_TAG)
    },
  }
}

interface VectorParts {
  /** The salt, padded with zeros. */
  base: Buffer
  /** Where the SSRC stands in it. */
  at: number
  packet: Buffer
  rollover: number
}

/** The salt combined by XOR with SSRC, rollover counter and sequence number, which follow each other. */
function writeVector(vector: Buffer, { base, at, packet, rollover }: VectorParts): void {
  base.copy(vector)
  vector.writeUInt32BE((base.readUInt32BE(at) ^ packet.readUInt32BE(SSRC)) >>> 0, at)
  vector.writeUInt32BE((base.readUInt32BE(at + 4) ^ rollover) >>> 0, at + 4)
  vector.writeUInt16BE(base.readUInt16BE(at + 8) ^ packet.readUInt16BE(SEQUENCE), at + 8)
}
