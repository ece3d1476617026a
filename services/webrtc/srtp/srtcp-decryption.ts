import type { KeyObject } from 'node:crypto'
import { CounterKeystream } from './counter-keystream.ts'
import { HmacSha1, KEY_BLOCK } from './hmac-sha1.ts'

/** The keys of the viewer's RTCP in AES128_CM_HMAC_SHA1_80. RFC 3711 §3.2.1. */
export interface SrtcpKeys {
  encryption: KeyObject
  authentication: KeyObject
  salt: Buffer
}

const TAG = 10
/** The flag "encrypted" and the number of the packet. RFC 3711 §3.4. */
const INDEX = 4
/** Header and SSRC, which are not encrypted. */
const CLEAR = 8
const SSRC = 4
/** Larger ones are left to werift. */
const MAX_BYTES = 2_048

/**
 * Verifies and decrypts RTCP packets; undefined for one that is not authentic. Ours beside werift's `SrtcpSession` (0.25.2), which
 * makes a cipher and an HMAC for each of the 13 packets a second of every viewer.
 */
export function createSrtcpDecryption({
  encryption,
  authentication,
  salt,
}: SrtcpKeys): (packet: Buffer) => Buffer | undefined {
  const hmac = new HmacSha1(authentication)
  const keystream = new CounterKeystream(encryption)
  const authenticated = Buffer.alloc(KEY_BLOCK + MAX_BYTES)
  const base = Buffer.alloc(16)
  salt.copy(base, 0, 0, 14)
  const words = new Uint32Array(4)
  const vector = Buffer.from(words.buffer)
  return (packet) => {
    const tagAt = packet.length - TAG
    const indexAt = tagAt - INDEX
    if (indexAt < CLEAR || packet.length > MAX_BYTES) return undefined
    packet.copy(authenticated, KEY_BLOCK, 0, tagAt)
    if (!isTag(hmac.digest(authenticated, KEY_BLOCK, KEY_BLOCK + tagAt), packet, tagAt)) return undefined
    const plain = Buffer.from(new Uint32Array((indexAt + 3) >> 2).buffer)
    packet.copy(plain, 0, 0, indexAt)
    const index = packet.readUInt32BE(indexAt)
    if (index >>> 31 === 1) {
      vector.set(base)
      // RFC 3711 §4.1.1
      vector.writeUInt32BE((base.readUInt32BE(4) ^ packet.readUInt32BE(SSRC)) >>> 0, 4)
      vector.writeUInt32BE((base.readUInt32BE(8) ^ ((index >>> 16) & 0x7fff)) >>> 0, 8)
      vector.writeUInt16BE(base.readUInt16BE(12) ^ (index & 0xffff), 12)
      keystream.add(words, indexAt - CLEAR)
      combine(plain, keystream.take())
    }
    return plain.subarray(0, indexAt)
  }
}

/** In constant time. */
function isTag(digest: string, packet: Buffer, tagAt: number): boolean {
  let difference = 0
  for (let i = 0; i < TAG; i++) difference |= digest.charCodeAt(i) ^ (packet[tagAt + i] ?? 0)
  return difference === 0
}

function combine(plain: Buffer, keystream: Uint32Array): void {
  const words = new Uint32Array(plain.buffer)
  const from = CLEAR / 4
  for (let i = from; i < words.length; i++) words[i] = (words[i] ?? 0) ^ (keystream[i - from] ?? 0)
}
