import assert from 'node:assert/strict'
import test from 'node:test'
import { parseAnswer } from '#services/webrtc/peer/answer.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

/** Puts the formats of the video m-line in this order, and the a=rtpmap lines in the opposite one. */
function order(sdp: string, formats: readonly number[]): string {
  const maps = formats
    .toReversed()
    .map((format) => new RegExp(`^a=rtpmap:${format} .*\r\n`, 'm').exec(sdp)?.[0])
  const bare = formats.reduce(
    (text, format) => text.replace(new RegExp(`^a=rtpmap:${format} .*\r\n`, 'm'), ''),
    sdp,
  )
  return bare.replace(
    /^(m=video \S+ \S+) .*\r\n((?:(?!m=).*\r\n)*?)(a=mid:.*\r\n)/m,
    (_, head, lines, mid) => `${head} ${formats.join(' ')}\r\n${lines}${mid}${maps.join('')}`,
  )
}

test('the m-line of the answer selects the codec, whatever the order of its rtpmap lines', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const cases = [
    { id: 'h264', formats: [102, 96], isFirst: ([head = 0]: Buffer) => (head & 0x1f) === 24 },
    { id: 'vp8', formats: [96, 102], isFirst: ([head = 0]: Buffer) => head === 0x10 },
  ]
  for (const { id, formats, isFirst } of cases) {
    const viewer = await openViewer(t, bus, id, {
      video: ['h264', 'vp8'],
      forge: (sdp) => order(sdp, formats),
    })
    await viewer.until(({ video }) => video.length >= 5, 20_000)
    assert.deepEqual([...new Set(viewer.video.map(({ header }) => header.payloadType))], formats.slice(0, 1))
    assert.ok(isFirst(viewer.video[0]?.payload ?? Buffer.alloc(0)), `${id} in its own packets`)
    await viewer.close()
  }
})

test('an answer that rejects the data channel, without a=sctp-port, gets video', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const viewer = await openViewer(t, bus, 'one', {
    forge: (sdp) =>
      sdp
        .replace(
          /^m=application[\s\S]*$/m,
          'm=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:2\r\n',
        )
        .replace(/^(a=group:BUNDLE.*) 2\r$/m, '$1\r'),
  })
  await viewer.until(({ video }) => video.length >= 20, 20_000)
})

const ANSWER = [
  'v=0',
  'm=video 9 UDP/TLS/RTP/SAVPF 103 102 97 96',
  'a=mid:0',
  'a=rtpmap:96 VP8/90000',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:102 H264/90000',
  'a=rtpmap:103 rtx/90000',
  'a=rtpmap:120 AV1/90000',
  'a=rtcp-fb:120 nack',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'a=candidate:1 1 udp 1 192.0.2.1 9 typ host',
  'a=sctp-port:5000',
  '',
].join('\r\n')

test('rtpmap lines are put in the order of the m-line; formats that it does not list are dropped', () => {
  const { sdp, video, candidates, hasDataChannel } = parseAnswer(ANSWER)
  assert.deepEqual(video, { codec: 'h264', payloadType: 102 })
  assert.deepEqual(
    Array.from(sdp.matchAll(/^a=rtpmap:(\d+)/gm), ([, format]) => Number(format)),
    [103, 102, 97, 96],
  )
  assert.doesNotMatch(sdp, /120|candidate/)
  assert.deepEqual([candidates.length, hasDataChannel], [1, true])
})

test('a rejected video, unknown codecs and malformed text select no format', () => {
  for (const sdp of [
    ANSWER.replace('m=video 9', 'm=video 0'),
    ANSWER.replace(/(VP8|H264)/g, 'AV1'),
    '',
    'rubbish',
    'm=video',
  ]) {
    assert.equal(parseAnswer(sdp).video, undefined)
  }
})

test('a command that overtakes DATA_CHANNEL_ACK opens the channel: its reply is not dropped', async (t) => {
  const { bus } = await startRobot(t)
  const viewer = await openViewer(t, bus, 'one')
  viewer.pc.onDataChannel.subscribe(() => {
    // RFC 8832 §5.2: no DATA_CHANNEL_ACK (protocol 50) leaves this viewer
    const sctp = viewer.pc.sctpTransport?.sctp
    const send = sctp?.send
    if (sctp && send) {
      sctp.send = async (stream, protocol, ...rest) => {
        if (protocol !== 50) await send(stream, protocol, ...rest)
      }
    }
  })
  const channel = await viewer.channel
  const { promise, resolve } = Promise.withResolvers<string>()
  channel.onMessage.subscribe((data) => {
    if (String(data).includes('pong')) resolve(String(data))
  })
  channel.send(JSON.stringify({ type: 'ping', n: 1 }))
  assert.deepEqual(JSON.parse(await promise), { type: 'pong', n: 1 })
})
