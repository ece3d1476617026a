import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import { type RTCRtpSender, RTP_EXTENSION_URI, RtpHeader, RtpPacket, SrtpSession } from 'werift'
import { negotiatedExtensions } from '#services/webrtc/rtp/header-extensions.ts'
import { RtpStream } from '#services/webrtc/rtp/rtp-stream.ts'
import { createSrtpEncryption } from '#services/webrtc/srtp/srtp-encryption.ts'
import { srtpKeys } from '#services/webrtc/werift-patches/srtp-keys.ts'

const PROFILES = { AES128_CM_HMAC_SHA1_80: 1, AEAD_AES_128_GCM: 7 } as const
const SSRC = 0xfedcba98
const PAYLOAD_TYPE = 102

function session(profile: number): { sender: SrtpSession; receiver: SrtpSession } {
  const salt = profile === PROFILES.AEAD_AES_128_GCM ? 12 : 14
  const local = { key: randomBytes(16), salt: randomBytes(salt) }
  const remote = { key: randomBytes(16), salt: randomBytes(salt) }
  const make = (mine: typeof local, theirs: typeof local) =>
    new SrtpSession({
      keys: {
        localMasterKey: mine.key,
        localMasterSalt: mine.salt,
        remoteMasterKey: theirs.key,
        remoteMasterSalt: theirs.salt,
      },
      profile,
    })
  return { sender: make(local, remote), receiver: make(remote, local) }
}

const EXTENSIONS = [
  { id: 9, uri: RTP_EXTENSION_URI.transportWideCC },
  { id: 1, uri: RTP_EXTENSION_URI.sdesMid },
  { id: 4, uri: 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay' },
  { id: 5, uri: 'urn:unknown' },
]
const extensionsOf = (headerExtensions: object[], mid: string | undefined) =>
  negotiatedExtensions({ headerExtensions, mid } as unknown as RTCRtpSender)

for (const [name, profile] of Object.entries(PROFILES)) {
  test(`${name}: each packet has the bytes that werift would send, also after the sequence number has wrapped`, () => {
    const { sender, receiver } = session(profile)
    const stream = new RtpStream({
      ssrc: SSRC,
      payloadType: PAYLOAD_TYPE,
      extensions: extensionsOf(EXTENSIONS, '0'),
      encryption: createSrtpEncryption(srtpKeys(sender)),
      sequence: 0xffc0,
    })
    const packets = Array.from({ length: 128 }, (_, count) => ({
      timestamp: (0xffffff00 + count * 7) >>> 0,
      marker: count % 3 === 0,
      payload: Buffer.alloc(1 + (count % 5) * 250 + (count % 40), count),
      transportSequence: count,
    }))
    // bursts of 1, 2, 3 … packets
    const sent: Buffer[] = []
    for (let size = 1; sent.length < packets.length; size++) {
      sent.push(...stream.write(packets.slice(sent.length, sent.length + size)))
    }
    for (const [count, { timestamp, marker, payload, transportSequence }] of packets.entries()) {
      const sequenceNumber = (0xffc0 + count) & 0xffff
      const actual = sent[count] ?? assert.fail()
      const transport = Buffer.alloc(2)
      transport.writeUInt16BE(transportSequence)
      const header = new RtpHeader({
        sequenceNumber,
        timestamp,
        marker,
        ssrc: SSRC,
        payloadType: PAYLOAD_TYPE,
        extensions: [
          { id: 1, payload: Buffer.from('0') },
          { id: 4, payload: Buffer.from([0, 0, 0]) },
          { id: 9, payload: transport },
        ],
      })
      assert.deepEqual(actual, sender.encrypt(payload, header), `packet ${count}, number ${sequenceNumber}`)
      const decrypted = RtpPacket.deSerialize(receiver.decrypt(actual))
      assert.deepEqual(decrypted.payload, payload)
    }
    assert.equal(stream.sequence, 64)
  })
}

test('a retransmission carries the number of its original before the payload (RFC 4588)', () => {
  const { sender, receiver } = session(PROFILES.AEAD_AES_128_GCM)
  const stream = new RtpStream({
    ssrc: SSRC,
    payloadType: PAYLOAD_TYPE,
    extensions: extensionsOf([], undefined),
    encryption: createSrtpEncryption(srtpKeys(sender)),
  })
  const packet = {
    ...{ timestamp: 1, marker: false, payload: Buffer.from('media') },
    ...{ original: 0xabcd, transportSequence: 0 },
  }
  const [sent = assert.fail()] = stream.write([packet])
  assert.equal(sent.length, stream.size(packet))
  const { header, payload } = RtpPacket.deSerialize(receiver.decrypt(sent))
  assert.deepEqual(payload, Buffer.from([0xab, 0xcd, ...Buffer.from('media')]))
  assert.equal(header.extension, false)
})

test('an unknown protection profile is refused', () => {
  const keys = srtpKeys(session(PROFILES.AEAD_AES_128_GCM).sender)
  assert.throws(() => createSrtpEncryption({ ...keys, profile: 2 }), /unknown SRTP protection profile 2/)
})
