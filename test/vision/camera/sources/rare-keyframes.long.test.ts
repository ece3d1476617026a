import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { nalUnits } from '#bus/access-unit.ts'
import { createLogger } from '#lib/logger.ts'
import { Camera } from '#services/vision/camera/camera.ts'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { Encoder } from '#services/vision/encode/encoder.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 64, height: 48 }
const FPS = 10
const SECOND = 1_000

/** Access units of one GOP: a keyframe, then the others. */
async function gop(): Promise<{ key: Buffer[]; rest: Buffer[][] }> {
  using encoder = await Encoder.open({ ...SIZE, fps: FPS, bitrate: 200_000, matrix: 'bt601' })
  const units: Buffer[][] = []
  for (let i = 0; i < 10; i++) {
    using pixels = plainFrame(SIZE, [i * 20, 60, 40])
    const unit = await encoder.encode(pixels, { at: i * 100, keyframe: i === 0 })
    units.push([...nalUnits(unit)].map((nal) => Buffer.from(nal)))
  }
  const [key = [], ...rest] = units
  return { key, rest }
}

interface Stream {
  /** Seconds between keyframes. */
  seconds: number
  /** Seconds from PLAY to the first of them. */
  first: number
  /** Are SPS and PPS in the SDP? */
  sprop: boolean
}

/** A NAL unit as an RTP packet, interleaved in RTSP. RFC 2326 §10.12. */
function rtpPacket(
  nal: Buffer,
  { time, sequence, isLast }: { time: number; sequence: number; isLast: boolean },
) {
  const header = Buffer.alloc(16)
  header.set([0x24, 0])
  header.writeUInt16BE(12 + nal.length, 2)
  header.set([0x80, isLast ? 96 | 0x80 : 96], 4)
  header.writeUInt16BE(sequence & 0xffff, 6)
  header.writeUInt32BE(time, 8)
  return Buffer.concat([header, nal])
}

/** A network camera: RTSP over TCP, H.264 in RTP. RFC 2326, RFC 6184 §5.6. */
async function rtspCamera(t: TestContext, { seconds, first, sprop }: Stream) {
  const { key, rest } = await gop()
  const keyframes: number[] = []
  const play = (socket: Socket) => {
    let frame = 0
    let sequence = 0
    const timer = setInterval(() => {
      const sinceFirst = frame - first * FPS
      const isKey = sinceFirst >= 0 && sinceFirst % (seconds * FPS) === 0
      const nals = isKey ? key : (rest[frame % rest.length] ?? [])
      if (isKey) keyframes.push(performance.now())
      for (const [i, nal] of nals.entries()) {
        const time = frame * (90_000 / FPS)
        socket.write(rtpPacket(nal, { time, sequence: sequence++, isLast: i === nals.length - 1 }))
      }
      frame++
    }, SECOND / FPS)
    socket.on('close', () => clearInterval(timer))
  }
  const sets = key.filter((nal) => [7, 8].includes((nal[0] ?? 0) & 0x1f)).map((nal) => nal.toString('base64'))
  const fmtp = `packetization-mode=1${sprop ? `;sprop-parameter-sets=${sets.join(',')}` : ''}`
  const sdp = [
    'v=0',
    'o=- 1 1 IN IP4 0.0.0.0',
    's=cam',
    't=0 0',
    'm=video 0 RTP/AVP 96',
    'a=rtpmap:96 H264/90000',
  ]
  const body = `${[...sdp, `a=fmtp:96 ${fmtp}`, 'a=control:track1'].join('\r\n')}\r\n`
  const server = createServer((socket) => {
    socket.on('error', () => {})
    closeAfter(t, () => socket.destroy())
    socket.on('data', (data) => {
      const [, method, cseq] = /^([A-Z]+) .*?CSeq: (\d+)/is.exec(data.toString('latin1')) ?? []
      if (!method) return
      const described = method === 'DESCRIBE'
      const extra = described
        ? `Content-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}`
        : `Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n`
      socket.write(`RTSP/1.0 200 OK\r\nCSeq: ${cseq}\r\nSession: 1\r\n${extra}`)
      if (method === 'PLAY') play(socket)
    })
  })
  closeAfter(t, () => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { url: `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}/live`, keyframes }
}

describe('a frame is shown within 1 s of the first keyframe, without a reconnect', {
  concurrency: true,
}, () => {
  // the camera is joined at a keyframe, or in the middle of a GOP
  for (const seconds of [1, 2, 4, 8, 12, 24]) {
    for (const first of [0, seconds / 2]) {
      for (const sprop of [true, false]) {
        const name = `a keyframe every ${seconds} s, the first after ${first} s, ${sprop ? 'with' : 'without'} sprop`
        test(name, async (t) => {
          const { url, keyframes } = await rtspCamera(t, { seconds, first, sprop })
          await using camera = new Camera({
            settings: {
              source: { type: 'url', url, loop: false },
              ...SIZE,
              fps: 30,
              rotate: 0,
              flip: 'none',
            },
            captureFrom,
            log: createLogger('test', { write() {} }),
          })
          const shown = Promise.withResolvers<number>()
          camera.on('frame', ({ live, at }) => live && shown.resolve(at))
          camera.start()
          const at = await shown.promise
          const delay = at - (keyframes[0] ?? 0)
          t.diagnostic(`${delay.toFixed(0)} ms after the keyframe`)
          assert.ok(delay < SECOND, `${delay} ms`)
          assert.equal(camera.summary.camera_retries, 0)
        })
      }
    }
  }
})
