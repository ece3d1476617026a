import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { RtpRelays } from '#lib/media/rtp-relay.ts'

const CAMERA = '127.0.0.2'

async function bind(t: TestContext, address: string): Promise<Socket> {
  const socket = createSocket('udp4')
  await once(socket.bind(0, address), 'listening')
  t.after(() => socket.close())
  return socket
}

const portOf = (socket: Socket) => socket.address().port
const portIn = (transport: string, name: string) => Number(new RegExp(`;${name}=(\\d+)`).exec(transport)?.[1])

/** FFmpeg's port of RTP, and the relays between it and a camera. */
async function setUp(t: TestContext) {
  const ffmpeg = await bind(t, '127.0.0.1')
  const camera = await bind(t, CAMERA)
  let bytes = 0
  const relays = new RtpRelays({
    camera: CAMERA,
    local: '127.0.0.1',
    onBytes: (count) => {
      bytes += count
    },
  })
  t.after(() => relays[Symbol.dispose]())
  const client = portOf(ffmpeg)
  const request = `RTP/AVP/UDP;unicast;client_port=${client}-${client + 1}`
  return { ffmpeg, camera, relays, request, bytes: () => bytes }
}

test('packets pass in both directions, on loopback to FFmpeg, and are counted', async (t) => {
  const { ffmpeg, camera, relays, request, bytes } = await setUp(t)
  const asked = await relays.requested(request)
  const outer = portIn(asked, 'client_port')
  assert.equal(asked, `RTP/AVP/UDP;unicast;client_port=${outer}-${outer + 1}`)
  assert.equal(outer % 2, 0)
  const answered = relays.answered(`RTP/AVP;unicast;source=10.0.0.1;server_port=${portOf(camera)}-1`)
  const inner = portIn(answered, 'server_port')
  assert.equal(answered, `RTP/AVP/UDP;unicast;server_port=${inner}-${inner + 1};source=127.0.0.1`)
  camera.send('media', outer, '127.0.0.1')
  const [packet, from] = await once(ffmpeg, 'message')
  assert.deepEqual([String(packet), from.address, from.port], ['media', '127.0.0.1', inner])
  assert.equal(bytes(), 5)
  ffmpeg.send('report', inner, '127.0.0.1')
  assert.equal(String((await once(camera, 'message'))[0]), 'report')
})

test('packets of another address or port than the camera’s do not pass', async (t) => {
  const { ffmpeg, camera, relays, request, bytes } = await setUp(t)
  const outer = portIn(await relays.requested(request), 'client_port')
  relays.answered(`RTP/AVP;unicast;server_port=${portOf(camera)}`)
  for (const address of [CAMERA, '127.0.0.3']) {
    const other = await bind(t, address)
    await new Promise((resolve) => other.send('other', outer, '127.0.0.1', resolve))
  }
  camera.send('media', outer, '127.0.0.1')
  assert.equal(String((await once(ffmpeg, 'message'))[0]), 'media')
  assert.equal(bytes(), 5)
})

test('a camera that names no port may send from any', async (t) => {
  const { ffmpeg, camera, relays, request } = await setUp(t)
  const outer = portIn(await relays.requested(request), 'client_port')
  relays.answered('RTP/AVP;unicast')
  camera.send('media', outer, '127.0.0.1')
  assert.equal(String((await once(ffmpeg, 'message'))[0]), 'media')
})

test('an answer that does not fit the request is replaced by none', async (t) => {
  const { relays, request } = await setUp(t)
  const udp = 'RTP/AVP;unicast;server_port=6000-6001'
  const tcp = 'RTP/AVP/TCP;unicast;interleaved=0-1'
  assert.equal(relays.answered(udp), '', 'without a request')
  for (const answer of [tcp, `${udp},${udp}`, 'RTP/AVP;unicast;server_port=0', 'RTP/AVP;server_port=65535']) {
    await relays.requested(request)
    assert.equal(relays.answered(answer), '', answer)
  }
  assert.equal(await relays.requested(tcp), tcp)
  assert.equal(relays.answered(udp), '', 'UDP for TCP')
  await relays.requested(tcp)
  assert.equal(relays.answered(tcp), tcp)
})

test('a request that is repeated, as with a password, has the same ports; a ninth stream is refused', async (t) => {
  const { relays, request } = await setUp(t)
  assert.equal(await relays.requested(request), await relays.requested(request))
  for (let port = 6_002; port <= 6_014; port += 2) await relays.requested(`x;client_port=${port}`)
  await assert.rejects(relays.requested('x;client_port=6016'), /too many streams/)
})
