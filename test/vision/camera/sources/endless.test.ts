import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { openMjpegReader } from '#services/vision/camera/sources/packet-reader.ts'
import { VisionSection } from '#services/vision/config.ts'
import { endlessCamera } from '#test/helpers/rtsp-camera.ts'
import { without } from '#test/helpers/tools.ts'

/** A frame of so many pixels fits into 1 MiB. */
const MAX_PIXELS = 2 ** 18
const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n'

/** Captures until the source ends. */
function capture(t: TestContext, source: object): Promise<void> {
  return captureFrom(VisionSection.parse({ source }).source)({
    ...{ width: 640, height: 360, fps: 30, maxPixels: MAX_PIXELS, signal: t.signal },
    emit: (pixels) => pixels.free(),
  })
}

/** The address of a camera that answers every connection in this way. */
async function camera(t: TestContext, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).resume()
    answer(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Sends a head, and then the same byte until the other end closes. */
function endlessly(head: Buffer): (socket: Socket) => void {
  return (socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 0x41)));
    }
    socket.on('drain', more)
    socket.write(head)
    more()
  }
}

/** The header of an IVF file, and of a frame of 2 GiB. https://wiki.multimedia.cx/index.php/Duck_IVF */
const IVF = Buffer.from(
  '444b494600002000565038308002680110000000010000000100000000000000ffffff7f0000000000000000',
  'hex',
)

test('a camera whose frame never ends is lost instead of filling the memory', {
  timeout: 60_000,
}, async (t) => {
  const address = await camera(t, endlessly(Buffer.concat([Buffer.from(OK), IVF])))
  await assert.rejects(capture(t, { type: 'url', url: `http://${address}/` }), {
    name: 'UnavailableError',
    message: 'cannot read: no complete frame in 1 MiB',
  })
})

test('a program whose H.264 has no start codes is lost', { timeout: 60_000 }, async (t) => {
  const command = ['sh', '-c', 'cat /dev/zero']
  await assert.rejects(capture(t, { type: 'exec', command, format: 'h264' }), {
    name: 'UnavailableError',
    message: 'cannot read: no complete frame in 1 MiB',
  })
})

/** The SPS, the PPS and the first frame of a stream, then no start code any more. */
const H264 = [
  '-f',
  'lavfi',
  '-i',
  'testsrc=size=320x240',
  '-frames:v',
  '4',
  '-c:v',
  'libx264',
  '-f',
  'h264',
  '-',
]

test('a stream over TCP whose frame never ends is lost', {
  skip: without('ffmpeg'),
  timeout: 60_000,
}, async (t) => {
  const head = execFileSync('ffmpeg', ['-v', 'error', ...H264])
  const address = await camera(t, endlessly(head))
  await assert.rejects(capture(t, { type: 'url', url: `tcp://${address}` }), {
    name: 'UnavailableError',
    message: 'cannot read: no complete frame in 1 MiB',
  })
})

/** An IDR slice in fragments, of which none is the last. RFC 6184 §5.8. */
const ENDLESS_SLICE = {
  sdp: ['m=video 0 RTP/AVP 96', 'a=rtpmap:96 H264/90000', 'a=fmtp:96 packetization-mode=1'],
  payload: (n: number) =>
    Buffer.concat([Buffer.from([0x7c, n === 0 ? 0x85 : 0x05]), Buffer.alloc(1_200, 0x41)]),
}

for (const transport of ['tcp', 'udp']) {
  test(`an RTSP camera whose frame never ends is lost: ${transport}`, { timeout: 60_000 }, async (t) => {
    const url = await endlessCamera(t, ENDLESS_SLICE)
    await assert.rejects(capture(t, { type: 'url', url, rtsp_transport: transport }), {
      name: 'UnavailableError',
      message: 'cannot read: no complete frame in 1 MiB',
    })
  })
}

test('a camera that switches protocols, or redirects to an invalid address, is unavailable', async (t) => {
  const answers = {
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n':
      'cannot open: not answered with HTTP',
    'HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n':
      'cannot open: the camera redirects to an invalid address',
  }
  for (const [answer, message] of Object.entries(answers)) {
    const address = await camera(t, (socket) => socket.end(answer))
    await assert.rejects(capture(t, { type: 'url', url: `http://${address}/` }), {
      name: 'UnavailableError',
      message,
    })
  }
})

const jpeg = (color: string) =>
  execFileSync('ffmpeg', [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    `color=${color}:size=16x16`,
    '-frames:v',
    '1',
    '-f',
    'mjpeg',
    '-',
  ])

test('of thousands of tiny JPEGs in one chunk the newest are decoded', {
  skip: without('ffmpeg'),
}, async () => {
  const luma: number[] = []
  using reader = await openMjpegReader((pixels) => {
    luma.push(pixels.data?.[0]?.[0] ?? 0)
    pixels.free()
  })
  await reader.read(Buffer.concat([...Array<Buffer>(2_000).fill(jpeg('black')), jpeg('white')]))
  assert.equal(luma.length, 32)
  assert.ok((luma.at(-1) ?? 0) > 200 && (luma[0] ?? 255) < 50, `${luma}`)
})
