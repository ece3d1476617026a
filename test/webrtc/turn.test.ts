import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { TurnProtocol } from 'werift'
import { topics } from '#bus/topics.ts'
import { collect } from '#test/helpers/collect.ts'
import { startRobot } from './robot.ts'
import { noTurnServer, startTurnServer } from './turn-server.ts'
import { openViewer } from './viewer.ts'

const options = { skip: noTurnServer() }

/** Video through the TURN server and nowhere else. */
async function watchRelayed(t: TestContext, transport: string) {
  const { url } = await startTurnServer(t)
  const { bus, camera } = await startRobot(t, { ice: { policy: 'relay' } })
  camera.roll()
  const sessions = await collect(bus, topics.sessions)
  const servers = [{ urls: `${url}?transport=${transport}`, username: 'robot', credential: 'secret' }]
  const viewer = await openViewer(t, bus, 'one', { iceServers: servers })
  await viewer.until(({ video }) => video.length > 0)
  const { payload } = await sessions.next({ where: ([one]) => (one?.connection_type ?? null) !== null })
  assert.equal(payload[0]?.connection_type, 'WAN')
  assert.match(payload[0]?.candidate_pair ?? '', /^relay /)
}

for (const transport of ['udp', 'tcp']) {
  test(`video takes the way through a TURN server over ${transport}`, options, (t) =>
    watchRelayed(t, transport),
  )
}

test('a TURN server that answers only after the viewer has is still used', options, async (t) => {
  const allocate = TurnProtocol.prototype.connectionMade
  t.after(() => {
    TurnProtocol.prototype.connectionMade = allocate
  })
  TurnProtocol.prototype.connectionMade = async function connectionMade(this: TurnProtocol) {
    await new Promise((resolve) => setTimeout(resolve, 600))
    return allocate.call(this)
  }
  await watchRelayed(t, 'udp')
})

test('a TURN server that refuses us keeps nobody from the direct way', options, async (t) => {
  const { url } = await startTurnServer(t)
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const viewer = await openViewer(t, bus, 'one', {
    iceServers: [{ urls: url, username: 'robot', credential: 'wrong' }],
  })
  await viewer.until(({ video }) => video.length > 0)
})
