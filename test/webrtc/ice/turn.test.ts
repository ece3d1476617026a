import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import test, { type TestContext } from 'node:test'
import { createServer } from 'node:tls'
import { TurnProtocol } from 'werift'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { certify } from '#test/helpers/certify.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'
import { noTurnServer, startTurnServer } from './turn-server.ts'

const options = { skip: noTurnServer() }
const TRANSPORTS = ['udp', 'tcp', 'tls'] as const

/** Video through the TURN server and nowhere else. */
async function watchRelayed(t: TestContext, iceServers: object[], transport = 'udp') {
  const { bus, camera } = await startRobot(t, { ice: { policy: 'relay', tls_insecure: true } })
  camera.roll()
  const sessions = await collect(bus, topics.sessions)
  const viewer = await openViewer(t, bus, 'one', { iceServers })
  await viewer.until(({ video }) => video.length > 0, 10_000)
  const { payload } = await sessions.next({ where: ([one]) => (one?.connection_type ?? null) !== null })
  assert.equal(payload[0]?.connection_type, 'WAN')
  assert.match(payload[0]?.candidate_pair ?? '', /^relay /)
  assert.equal(payload[0]?.protocol, `turn-${transport}`)
}

for (const transport of TRANSPORTS) {
  test(`video passes through a TURN server over ${transport} (D10)`, options, async (t) => {
    const { over } = await startTurnServer(t)
    await watchRelayed(t, [over(transport)], transport)
  })
}

test(
  'a server unreachable over UDP is reached over TCP or TLS, or replaced by a second one (D13)',
  options,
  async (t) => {
    const { address, over } = await startTurnServer(t)
    const account = { username: 'robot', credential: 'secret' }
    const dead = {
      urls: [`turn:${address}:9`, `turn:${address}:9?transport=tcp`, 'turn:nowhere.invalid'],
      ...account,
    }
    for (const transport of TRANSPORTS) {
      await t.test(`over ${transport}`, (one) => watchRelayed(one, [dead, over(transport)], transport))
    }
  },
)

test('a TURN server whose certificate no authority has signed gets not a byte', {
  skip: without('openssl'),
}, async (t) => {
  const { cert, key } = certify(temporaryFolder(t), 'first')
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) })
  const ended = once(server, 'connection').then(([socket]) => once(socket, 'close'))
  let bytes = 0
  server.on('secureConnection', (socket) => {
    socket.on('data', ({ length }) => {
      bytes += length
      socket.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const { bus } = await startRobot(t)
  const urls = `turns:127.0.0.1:${port}`
  await bus.publish(topics.request, {
    session_id: 'one',
    ice_servers: [{ urls, username: 'robot', credential: 'secret' }],
  })
  await ended
  assert.equal(bytes, 0)
})

test('an account that one server refuses is tried at the next (D04, P25)', options, async (t) => {
  const [first, second] = await Promise.all([startTurnServer(t), startTurnServer(t)])
  await watchRelayed(t, [{ ...first.over('udp'), credential: 'expired' }, second.over('udp')])
})

test('a TURN server that answers later than the viewer is still used', options, async (t) => {
  const { over } = await startTurnServer(t)
  const allocate = TurnProtocol.prototype.connectionMade
  t.after(() => {
    TurnProtocol.prototype.connectionMade = allocate
  })
  TurnProtocol.prototype.connectionMade = async function connectionMade(this: TurnProtocol) {
    await new Promise((resolve) => setTimeout(resolve, 600))
    return allocate.call(this)
  }
  await watchRelayed(t, [over('udp')])
})

test(
  'a TURN server that refuses the account does not prevent a direct connection (D04)',
  options,
  async (t) => {
    const { over } = await startTurnServer(t)
    const { bus, camera } = await startRobot(t)
    camera.roll()
    const viewer = await openViewer(t, bus, 'one', { iceServers: [{ ...over('udp'), credential: 'wrong' }] })
    await viewer.until(({ video }) => video.length > 0)
  },
)

test('an allocation is released when its session ends', options, async (t) => {
  // the server grants this account one at a time
  const { over, said } = await startTurnServer(t, ['--user-quota=1', '-v'])
  const { bus, camera } = await startRobot(t, { ice: { policy: 'relay' } })
  camera.roll()
  const closed = await collect(bus, topics.closed)
  for (const id of ['one', 'two', 'three']) {
    const viewer = await openViewer(t, bus, id, { iceServers: [over('udp')] })
    await viewer.until(({ video }) => video.length > 0, 10_000)
    const freed = said('lifetime=0')
    const gone = said('delete: ')
    await bus.publish(topics.close, { session_id: id, reason: 'enough' })
    await Promise.all([closed.next(), freed, gone])
    await viewer.close()
  }
})

test(
  'with ice.policy relay no offer or candidate contains an address of this machine',
  options,
  async (t) => {
    const { over, address } = await startTurnServer(t)
    const { bus } = await startRobot(t, { ice: { policy: 'relay' } })
    const [offers, candidates] = await Promise.all([
      collect(bus, topics.offer),
      collect(bus, topics.localCandidate),
    ])
    await bus.publish(topics.request, { session_id: 'one', ice_servers: [over('udp')] })
    const { sdp } = (await offers.next()).payload.sdp
    const { candidate } = (await candidates.next({ within: 5_000 })).payload.candidate
    assert.doesNotMatch(sdp, /typ (host|srflx)/)
    assert.match(
      candidate,
      new RegExp(` ${address.replaceAll('.', '\\.')} \\d+ typ relay raddr 0\\.0\\.0\\.0 rport 0`),
    )
  },
)
