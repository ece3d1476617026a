import assert from 'node:assert/strict'
import { Socket } from 'node:dgram'
import test, { type TestContext } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { staysTrue } from '#dev/harness/until.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

type Kind = 'stun' | 'dtls' | 'media' | 'other'

interface Sent {
  kind: Kind
  /** Local port that it left from. */
  port: number
  at: number
}

/** Every datagram that this process hands to the kernel, in order. RFC 7983 §7 tells the kinds apart. */
function tapDatagrams(t: TestContext): Sent[] {
  const sent: Sent[] = []
  const { send } = Socket.prototype
  t.after(() => {
    Socket.prototype.send = send
  })
  Socket.prototype.send = function tapped(this: Socket, ...args: unknown[]) {
    const [first = 0] = args[0] as Buffer
    sent.push({ kind: kindOf(first), port: this.address().port, at: performance.now() })
    return Reflect.apply(send, this, args)
  }
  return sent
}

function kindOf(first: number): Kind {
  if (first <= 3) return 'stun'
  if (first >= 20 && first <= 63) return 'dtls'
  return first >= 128 && first <= 191 ? 'media' : 'other'
}

const portsOf = (sdp: string) =>
  new Set(Array.from(sdp.matchAll(/ (\d+) typ host/g), ([, port]) => Number(port)))

async function watch(t: TestContext) {
  const sent = tapDatagrams(t)
  const robot = await startRobot(t)
  robot.camera.roll()
  const [offers, closed] = await Promise.all([
    collect(robot.bus, topics.offer),
    collect(robot.bus, topics.closed),
  ])
  const viewer = await openViewer(t, robot.bus, 'one')
  const ports = portsOf((await offers.next()).payload.sdp.sdp)
  await viewer.until(({ video }) => video.length > 20)
  const from = (kind: Kind) => sent.filter((one) => one.kind === kind && ports.has(one.port))
  return { ...robot, offers, closed, viewer, from }
}

test('no media is sent before DTLS is connected, and none after the close', async (t) => {
  const { bus, closed, from } = await watch(t)
  const handshake = from('dtls').map(({ at }) => at)
  const first = from('media')[0]?.at ?? 0
  assert.ok(handshake.length > 0)
  // our last flight of the handshake (RFC 6347 §4.2.4) has left before the first packet does
  assert.ok(first > (handshake.findLast((at) => at < first) ?? Number.POSITIVE_INFINITY))
  assert.ok(handshake.filter((at) => at < first).length >= 2)
  await bus.publish(topics.close, { session_id: 'one', reason: 'enough' })
  await closed.next()
  const { length } = from('media')
  // ten frames are due in this time
  await staysTrue(() => from('media').length === length, 300, { show: () => from('media').slice(length) })
})

test('a superseded session sends nothing more (C20, P22)', async (t) => {
  const { bus, offers, from } = await watch(t)
  await bus.publish(topics.request, { session_id: 'one', ice_servers: [] })
  await offers.next() // of the successor, not answered yet
  const { length } = from('media')
  await staysTrue(() => from('media').length === length, 300, { show: () => from('media').slice(length) })
})

test('before the connection nothing but connectivity checks is sent', async (t) => {
  const sent = tapDatagrams(t)
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const offers = await collect(bus, topics.offer)
  await openViewer(t, bus, 'mute', { silent: true })
  await offers.next()
  for (let i = 0; i < 5; i++) await camera.shoot({ keyframe: i === 0 })
  assert.deepEqual(
    sent.filter(({ kind }) => kind === 'media'),
    [],
  )
})
