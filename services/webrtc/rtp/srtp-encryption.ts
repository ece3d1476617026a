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
      base.copy(iv)
      // two zero bytes, SSRC, rollover counter, sequence number: combined with the salt by XOR
      iv.writeUInt32BE((base.readUInt32BE(2) ^ packet.readUInt32BE(SSRC)) >>> 0, 2)
      iv.writeUInt32BE((base.readUInt32BE(6) ^ rollover) >>> 0, 6)
      iv.writeUInt16BE(base.readUInt16BE(10) ^ packet.readUInt16BE(SEQUENCE), 10)
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
      base.copy(counter)
      counter.writeUInt32BE((base.readUInt32BE(4) ^ packet.readUInt32BE(SSRC)) >>> 0, 4)
      counter.writeUInt32BE((base.readUInt32BE(8) ^ rollover) >>> 0, 8)
      counter.writeUInt16BE(base.readUInt16BE(12) ^ packet.readUInt16BE(SEQUENCE), 12)
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
