import { createSecretKey } from 'node:crypto'
import { RTCDtlsTransport, type SrtcpSession, type SrtpSession } from 'werift'
import { createSrtcpDecryption } from '../srtp/srtcp-decryption.ts'
import type { SrtpKeys } from '../srtp/srtp-encryption.ts'

/** Private members of werift's ciphers (0.25.2). Their salts are not keys. */
const KEYS = ['srtpSessionKey', 'srtcpSessionKey', 'srtpSessionAuthTag', 'srtcpSessionAuthTag'] as const

interface Internals {
  updateSrtpSession(): void
}

const prototype = RTCDtlsTransport.prototype as unknown as RTCDtlsTransport & Internals
const derive = prototype.updateSrtpSession

/**
 * werift passes its keys as bytes with every packet, and since Node 24 each `createCipheriv` and `createHmac` turns them
 * into a key first, which takes five times as long as the encryption.
 */
prototype.updateSrtpSession = function updateSrtpSession() {
  derive.call(this)
  for (const session of [this.srtp, this.srtcp]) {
    for (const { cipher } of [session.localContext, session.remoteContext]) useKeyObjects(cipher)
  }
  decryptInCounterMode(this.srtcp)
}

const AES128_CM_HMAC_SHA1_80 = 0x0001

/** A packet that is not authentic goes on to werift, which counts and reports it. */
function decryptInCounterMode(session: SrtcpSession): void {
  const { profile, srtcpSessionKey, srtcpSessionAuthTag, srtcpSessionSalt } = session.remoteContext
  if (profile !== AES128_CM_HMAC_SHA1_80) return
  const decrypt = createSrtcpDecryption({
    encryption: createSecretKey(srtcpSessionKey),
    authentication: createSecretKey(srtcpSessionAuthTag),
    salt: srtcpSessionSalt,
  })
  const decryptSlowly = session.decrypt
  session.decrypt = (packet) => decrypt(packet) ?? decryptSlowly(packet)
}

function useKeyObjects(cipher: object): void {
  for (const name of KEYS) {
    const bytes: Buffer | undefined = Reflect.get(cipher, name)
    if (bytes) Reflect.set(cipher, name, createSecretKey(bytes))
  }
}

/** The keys that encrypt our own RTP packets. */
export function srtpKeys({ localContext }: SrtpSession): SrtpKeys {
  const { profile, srtpSessionKey, srtpSessionAuthTag, srtpSessionSalt } = localContext
  return {
    profile,
    encryption: createSecretKey(srtpSessionKey),
    authentication: createSecretKey(srtpSessionAuthTag),
    salt: srtpSessionSalt,
  }
}

/** Private members of werift's transport (0.25.2). */
interface ProfileInternals {
  srtpProfiles: number[]
}

/**
 * Makes the handshake prefer AES128_CM_HMAC_SHA1_80, which every WebRTC endpoint has (RFC 8827 §6.5), to AEAD_AES_128_GCM: Node
 * encrypts a packet with it in 6 µs and with the other in 13 µs, since a cipher in GCM cannot be used again.
 */
export function preferCounterMode(transport: RTCDtlsTransport): void {
  const internals = transport as unknown as ProfileInternals
  internals.srtpProfiles = internals.srtpProfiles.toSorted((a, b) => a - b)
}
