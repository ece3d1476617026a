import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import test from 'node:test'
import type { Connection } from 'werift'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { seededRandom } from '#dev/harness/random.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

const MAGIC = Buffer.from([0x21, 0x12, 0xa4, 0x42])

const HEADS = [
  [0, 1],
  [0, 1],
  [1, 1],
  [22, 254, 253],
  [23, 254, 253],
  [64, 0],
  [128, 102],
  [128, 200],
  [129, 201],
  [143, 205],
  [143, 206],
  [255],
]

/** Datagrams that begin like STUN, DTLS, ChannelData, RTP and RTCP (RFC 7983 §7), and go on at random. */
function* datagrams(count: number): Generator<Buffer> {
  const next = seededRandom(20_260_501)
  const random = (below: number) => Math.floor(next() * below)
  for (let i = 0; i < count; i++) {
    const head = HEADS[i % HEADS.length] ?? []
    const size = head.length + (random(3) === 0 ? random(20) : 20 + random(1_200))
    const bytes = Buffer.from(Array.from({ length: size }, (_, at) => head[at] ?? random(256)))
    if (bytes.length >= 20 && (head[0] ?? 9) < 2) asStun(bytes, random(2) === 0)
    yield bytes
  }
}

/** RFC 8489 §5: magic cookie, and a length that may be right. */
function asStun(bytes: Buffer, right: boolean): void {
  if (right) bytes.writeUInt16BE(bytes.length - 20, 2)
  MAGIC.copy(bytes, 4)
}

test('datagrams from third parties, and malformed ones from a viewer, affect no session (A15, C01)', async (t) => {
  const { bus, camera, logged } = await startRobot(t)
  camera.roll()
  const [offers, closed] = await Promise.all([collect(bus, topics.offer), collect(bus, topics.closed)])
  const one = await openViewer(t, bus, 'one')
  const two = await openViewer(t, bus, 'two')
  for (const viewer of [one, two]) await viewer.until(({ video }) => video.length > 0)
  const { sdp } = (await offers.next({ where: ({ session_id }) => session_id === 'one' })).payload.sdp
  const [, address = '', port] = / (\d+\.\d+\.\d+\.\d+) (\d+) typ host/.exec(sdp) ?? []
  const stranger = createSocket('udp4')
  const pair = (one.pc.iceTransports[0]?.connection as Connection | undefined)?.nominated
  if (!pair || !address) throw new Error('not connected')
  const { transport } = pair.protocol as unknown as {
    transport: { send(data: Buffer, to: readonly [string, number]): Promise<void> }
  }
  for (const datagram of datagrams(2_400)) {
    await new Promise((resolve) => stranger.send(datagram, Number(port), address, resolve))
    await transport.send(datagram, pair.remoteAddr)
  }
  stranger.close()
  const counts = [one, two].map(({ video }) => video.length)
  for (const [i, viewer] of [one, two].entries()) {
    await viewer.until(({ video }) => video.length > (counts[i] ?? 0) + 20, 10_000)
  }
  assert.deepEqual(closed.all, [])
  assert.ok(!logged.some(({ level }) => level === 'fatal'))
})
