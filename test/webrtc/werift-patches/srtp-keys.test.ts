import assert from 'node:assert/strict'
import { KeyObject } from 'node:crypto'
import test from 'node:test'
import { RTCDtlsTransport, RTCPeerConnection, RtpHeader, SrtcpSession, SrtpSession } from 'werift'
import { preferCounterMode } from '#services/webrtc/werift-patches/srtp-keys.ts'

const KEYS = {
  localMasterKey: Buffer.alloc(16, 1),
  localMasterSalt: Buffer.alloc(14, 2),
  remoteMasterKey: Buffer.alloc(16, 3),
  remoteMasterSalt: Buffer.alloc(14, 4),
}
const PROFILES = { AES128_CM_HMAC_SHA1_80: 1, AEAD_AES_128_GCM: 7 } as const

for (const [name, profile] of Object.entries(PROFILES)) {
  test(`${name}: a session with key objects encrypts to the same bytes, RTP and RTCP`, () => {
    const transport = Object.assign(Object.create(RTCDtlsTransport.prototype), {
      dtls: {
        srtp: { srtpProfile: profile },
        extractSessionKeys: (_keyLength: number, saltLength: number) => ({
          localKey: KEYS.localMasterKey,
          localSalt: KEYS.localMasterSalt.subarray(0, saltLength),
          remoteKey: KEYS.remoteMasterKey,
          remoteSalt: KEYS.remoteMasterSalt.subarray(0, saltLength),
        }),
      },
    })
    transport.updateSrtpSession()
    const salt = profile === PROFILES.AEAD_AES_128_GCM ? 12 : 14
    const keys = {
      ...KEYS,
      localMasterSalt: KEYS.localMasterSalt.subarray(0, salt),
      remoteMasterSalt: KEYS.remoteMasterSalt.subarray(0, salt),
    }
    const header = () => new RtpHeader({ sequenceNumber: 7, timestamp: 8, ssrc: 9, payloadType: 96 })
    const payload = Buffer.from('media')
    assert.deepEqual(
      transport.srtp.encrypt(payload, header()),
      new SrtpSession({ keys, profile }).encrypt(payload, header()),
    )
    const report = Buffer.alloc(28, 5)
    assert.deepEqual(transport.srtcp.encrypt(report), new SrtcpSession({ keys, profile }).encrypt(report))
    const viewer = new SrtcpSession({
      keys: {
        localMasterKey: keys.remoteMasterKey,
        localMasterSalt: keys.remoteMasterSalt,
        remoteMasterKey: keys.localMasterKey,
        remoteMasterSalt: keys.localMasterSalt,
      },
      profile,
    })
    for (const length of [8, 28, 1_200]) {
      const sent = Buffer.alloc(length, 6)
      const encrypted = viewer.encrypt(sent)
      assert.deepEqual(transport.srtcp.decrypt(encrypted), sent)
      for (const at of [4, length, encrypted.length - 1]) {
        const forged = Buffer.from(encrypted)
        forged[at] = (forged[at] ?? 0) ^ 1
        assert.throws(() => transport.srtcp.decrypt(forged), /authenticate/)
      }
    }
    for (const session of [transport.srtp, transport.srtcp]) {
      for (const context of [session.localContext, session.remoteContext]) {
        assert.ok(context.cipher.srtpSessionKey instanceof KeyObject)
        assert.ok(context.cipher.srtcpSessionKey instanceof KeyObject)
      }
    }
  })
}

test('the handshake offers AES128_CM_HMAC_SHA1_80 first, and still AEAD_AES_128_GCM', (t) => {
  const pc = new RTCPeerConnection()
  t.after(() => pc.close())
  pc.createDataChannel('control')
  const [transport = assert.fail()] = pc.dtlsTransports
  const profiles = () => Reflect.get(transport, 'srtpProfiles')
  assert.deepEqual(profiles(), [PROFILES.AEAD_AES_128_GCM, PROFILES.AES128_CM_HMAC_SHA1_80])
  preferCounterMode(transport)
  assert.deepEqual(profiles(), [PROFILES.AES128_CM_HMAC_SHA1_80, PROFILES.AEAD_AES_128_GCM])
})
