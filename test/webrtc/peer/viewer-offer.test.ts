import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerTo, asAnswer } from '#services/webrtc/peer/viewer-answer.ts'
import { OfferError, offersDataChannel, parseViewerOffer } from '#services/webrtc/peer/viewer-offer.ts'
import { CHROMIUM, H264_ONLY, videoOffer } from './sample-offers.ts'

const OWN = [
  'v=0',
  'o=- 41859887 0 IN IP4 0.0.0.0',
  's=-',
  't=0 0',
  ...['video', 'audio', 'application'].flatMap((kind) => [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF 102`,
    'a=candidate:1 1 udp 2116026367 192.0.2.2 38727 typ host ufrag 0923',
    'a=ice-ufrag:0923',
    'a=ice-pwd:5caf3ec3ff21185c6c99ef',
    'a=fingerprint:sha-256 FF',
    `a=msid:stream ${kind}`,
    'a=ssrc-group:FID 1 2',
    'a=ssrc:1 cname:x',
    'a=ssrc:2 cname:x',
    ...(kind === 'application' ? ['a=max-message-size:65536'] : []),
  ]),
  '',
].join('\r\n')

const sectionsOf = (sdp: string) => sdp.split(/^(?=m=)/m).slice(1)

function refusal(sdp: string): { code: string; message: string } {
  try {
    parseViewerOffer(sdp, 'h264')
  } catch (err) {
    if (err instanceof OfferError) return { code: err.code, message: err.message }
    throw err
  }
  throw new Error('accepted')
}

test('of the offered H.264 formats the constrained baseline one with packetization mode 1 is chosen', () => {
  const offer = parseViewerOffer(CHROMIUM, 'h264')
  assert.deepEqual([offer.codec, offer.payloadType], ['h264', 109])
  assert.deepEqual(offer.bundle, ['0', '1', '2'])
  const [, video] = offer.sections
  assert.deepEqual(video?.accepted?.formats, ['109', '108'])
  assert.ok(
    !video?.accepted?.attributes.some((line) => line.includes('x-other') || line.includes('sdes:mid')),
  )
})

test('a robot that prefers VP8 answers VP8, and so does one that finds no H.264', () => {
  assert.equal(parseViewerOffer(CHROMIUM, 'vp8').payloadType, 96)
  const only = videoOffer('98', ['a=rtpmap:98 VP8/90000'])
  assert.deepEqual(
    [parseViewerOffer(only, 'h264').codec, parseViewerOffer(only, 'h264').payloadType],
    ['vp8', 98],
  )
})

test('the answer has the m-lines of the offer in its order, with its mids and payload types (RFC 3264 §6)', () => {
  const answer = answerTo(parseViewerOffer(CHROMIUM, 'h264'), OWN)
  const [audio = '', video = '', data = ''] = sectionsOf(answer)
  assert.match(answer, /^a=group:BUNDLE 0 1 2\r$/m)
  assert.match(audio, /^m=audio 9 UDP\/TLS\/RTP\/SAVPF 111\r$/m)
  assert.match(video, /^m=video 9 UDP\/TLS\/RTP\/SAVPF 109 108\r$/m)
  assert.match(data, /^m=application 9 UDP\/DTLS\/SCTP webrtc-datachannel\r$/m)
  for (const [i, section] of [audio, video, data].entries()) {
    assert.match(section, new RegExp(`^a=mid:${i}\\r$`, 'm'))
    assert.match(section, /^a=setup:passive\r$/m)
    assert.match(section, /^a=ice-ufrag:0923\r$/m)
  }
  assert.match(audio, /^a=candidate:/m)
  assert.match(audio, /^a=end-of-candidates\r$/m)
  assert.doesNotMatch(video, /^a=candidate:/m)
  for (const section of [audio, video]) assert.match(section, /^a=sendonly\r$/m)
  assert.match(
    video,
    /^a=fmtp:109 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1\r$/m,
  )
  assert.match(video, /^a=fmtp:108 apt=109\r$/m)
  assert.match(video, /^a=ssrc-group:FID 1 2\r$/m)
})

test('our own side sees video, audio and data in its own order', () => {
  const answer = asAnswer(parseViewerOffer(CHROMIUM, 'h264'))
  const kinds = sectionsOf(answer.sdp).map((section) => /^m=(\w+) (\d+)/.exec(section)?.slice(1).join(' '))
  assert.deepEqual(kinds, ['video 9', 'audio 9', 'application 9'])
  assert.deepEqual([answer.video, answer.hasDataChannel], [{ codec: 'h264', payloadType: 109 }, true])
  const only = asAnswer(parseViewerOffer(H264_ONLY, 'h264'))
  assert.deepEqual(
    sectionsOf(only.sdp).map((section) => /^m=(\w+) (\d+)/.exec(section)?.slice(1).join(' ')),
    ['video 9', 'audio 0', 'application 0'],
  )
  assert.equal(only.hasDataChannel, false)
})

test('a player that decodes main or high profile only gets its profile back (RFC 6184 §8.2.2)', () => {
  const main = videoOffer('96', [
    'a=rtpmap:96 H264/90000',
    'a=fmtp:96 packetization-mode=1;profile-level-id=4D0028',
  ])
  const answer = answerTo(parseViewerOffer(main, 'h264'), OWN)
  assert.match(answer, /^a=fmtp:96 profile-level-id=4d001f;packetization-mode=1/m)
  assert.match(asAnswer(parseViewerOffer(main, 'h264')).sdp, /profile-level-id=42e01f/)
})

test('a format without packetization-mode=1, and codecs that the robot has not, are refused with their names', () => {
  const single = videoOffer('96', ['a=rtpmap:96 H264/90000', 'a=fmtp:96 profile-level-id=42e01f'])
  assert.equal(refusal(single).code, 'no-common-codec')
  const others = refusal(videoOffer('98 99', ['a=rtpmap:98 VP9/90000', 'a=rtpmap:99 AV1/90000']))
  assert.equal(others.code, 'no-common-codec')
  assert.match(others.message, /VP9\/90000, AV1\/90000/)
})

test('m-lines that cannot be answered are rejected with port 0, the others are kept', () => {
  const noAudio = CHROMIUM.replace('a=group:BUNDLE 0 1 2', 'a=group:BUNDLE 1 2')
  const answer = answerTo(parseViewerOffer(noAudio, 'h264'), OWN)
  const [audio = '', video = ''] = sectionsOf(answer)
  assert.match(audio, /^m=audio 0 /)
  assert.match(video, /^a=candidate:/m)
  assert.match(answer, /^a=group:BUNDLE 1 2\r$/m)
  const bundleOnly = CHROMIUM.replace('m=video 9', 'm=video 0').replace('a=mid:1', 'a=mid:1\r\na=bundle-only')
  assert.equal(parseViewerOffer(bundleOnly, 'h264').payloadType, 109)
})

test('a data channel on a port that SCTP has not is rejected, the video is kept', () => {
  for (const port of ['0', '00', '65536', '99999', '-1', '']) {
    const offer = parseViewerOffer(CHROMIUM.replace('a=sctp-port:5000', `a=sctp-port:${port}`), 'h264')
    assert.equal(offersDataChannel(offer), false, port)
    assert.deepEqual(offer.bundle, ['0', '1'])
  }
  assert.ok(offersDataChannel(parseViewerOffer(CHROMIUM.replace('port:5000', 'port:65535'), 'h264')))
})

test('the viewer is DTLS client where the offer leaves the choice (RFC 9725 §4.4.4)', () => {
  assert.equal(parseViewerOffer(H264_ONLY, 'h264').dtlsRole, 'active')
  const passive = H264_ONLY.replace('setup:actpass', 'setup:passive')
  assert.match(answerTo(parseViewerOffer(passive, 'h264'), OWN), /^a=setup:active\r$/m)
})

test('a malformed or hostile offer is refused with what is wrong', () => {
  const long = `a=x:${'y'.repeat(80_000)}`
  for (const [sdp, problem] of [
    ['', /must begin with v=0/],
    ['{}', /must begin with v=0/],
    ['v=0', /no m-line/],
    [CHROMIUM.replace('m=video 9', `${long}\r\nm=video 9`), /characters/],
    [`${H264_ONLY}${'a=x\r\n'.repeat(1_001)}`, /lines/],
    [`${H264_ONLY}${'m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n'.repeat(16)}`, /17 m-lines/],
    [CHROMIUM.replace('a=mid:1', 'a=mid:0'), /same a=mid/],
    [CHROMIUM.replace('a=mid:1', 'a=mid:1 2\tx'), /a=mid is malformed/],
    [CHROMIUM.replace('BUNDLE 0 1 2', 'BUNDLE 0 1 2 7'), /BUNDLE/],
    [CHROMIUM.replace('BUNDLE 0 1 2', `BUNDLE 0 1 2${' 0'.repeat(20_000)}`), /twice/],
    // RFC 5761 §4: the viewer would take the video for RTCP
    [videoOffer('72', ['a=rtpmap:72 VP8/90000']), /H\.264/],
    [H264_ONLY.replace('a=rtcp-mux', 'a=x'), /rtcp-mux/],
    [H264_ONLY.replace('a=recvonly', 'a=sendonly'), /recvonly/],
    [H264_ONLY.replace('m=video 9', 'm=video 0'), /recvonly/],
    [H264_ONLY.replace('m=video', 'm=message'), /m-line is malformed/],
    [H264_ONLY.replace(/a=ice-pwd:.*/, 'a=ice-pwd:short'), /ice-pwd/],
    [H264_ONLY.replace(/a=ice-ufrag:.*/, `a=ice-ufrag:${'x'.repeat(300)}`), /ice-ufrag/],
    [H264_ONLY.replace(/a=fingerprint:.*/, 'a=fingerprint:sha-256 zz'), /fingerprint/],
    [H264_ONLY.replace('a=setup:actpass', 'a=setup:holdconn'), /setup/],
    [H264_ONLY.replace(' 96\r', ' 9999 -1\r'), /H\.264/],
  ] as const) {
    assert.match(refusal(sdp).message, problem)
    assert.ok(refusal(sdp).message.length < 300)
  }
})

test('no text of the offer but the checked values reaches werift or the answer', () => {
  const marked = CHROMIUM.replaceAll('\r\nc=IN', '\r\na=evil:attack\r\ni=attack\r\nc=IN').replace(
    's=-',
    's=attack',
  )
  const offer = parseViewerOffer(marked, 'h264')
  assert.doesNotMatch(asAnswer(offer).sdp, /attack/)
  assert.doesNotMatch(answerTo(offer, OWN), /attack/)
})
