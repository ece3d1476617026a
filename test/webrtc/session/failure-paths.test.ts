import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { noTurnServer, startTurnServer } from '../ice/turn-server.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

test('a close of an unknown session does nothing; a close of a live one ends it, from any sender (P3, C08)', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  await bus.publish(topics.close, { session_id: 'unknown', reason: 'TURN_ERROR' })
  const viewer = await openViewer(t, bus, 'one')
  await viewer.until(({ video }) => video.length > 0)
  await bus.publish(topics.close, { session_id: 'one', reason: 'TURN_ERROR' })
  assert.deepEqual((await closed.next()).payload, { session_id: 'one', reason: 'viewer-left', by: 'viewer' })
  assert.equal(closed.all.length, 1)
})

test('malformed servers leave the offer as it is without servers (P4)', async (t) => {
  const { bus } = await startRobot(t)
  const [offers, errors] = await Promise.all([collect(bus, topics.offer), collect(bus, topics.error)])
  for (const ice_servers of [null, {}, 'stun:', 7, [{ urls: [null, 'turn:'] }], { iceServers: [[]] }]) {
    await bus.publish(topics.request, { session_id: 'one', ice_servers })
    assert.match((await offers.next()).payload.sdp.sdp, /typ host/)
  }
  assert.deepEqual(errors.all, [])
})

test('without a camera the viewer connects, and gets video when the camera starts (P5, E03)', async (t) => {
  const { bus, camera } = await startRobot(t)
  const viewer = await openViewer(t, bus, 'one')
  await viewer.connected
  assert.equal(viewer.video.length, 0)
  camera.roll()
  await viewer.until(({ video }) => video.length > 0)
})

test('remote candidates beyond the 64th are ignored, and none before the answer is lost (P10)', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const offers = await collect(bus, topics.offer)
  const requested = openViewer(t, bus, 'one')
  await offers.next()
  for (let i = 0; i < 500; i++) {
    const candidate = `candidate:${i} 1 udp ${i + 1} 203.0.113.1 ${1_000 + i} typ host`
    await bus.publish(topics.remoteCandidate, { session_id: 'one', candidate: { candidate, sdpMid: '0' } })
  }
  // those in the answer itself are apart from them
  const viewer = await requested
  await viewer.until(({ video }) => video.length > 0)
})

test('a session that the relay closes ends at once, with or without media, and the next request is served (P13, P14, P16)', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  for (const [i, reason] of ['superseded', 'heartbeat_timeout', 'client_closing'].entries()) {
    const viewer = await openViewer(t, bus, `socket-${i}`)
    await viewer.until(({ video }) => video.length > 0)
    await bus.publish(topics.close, { session_id: `socket-${i}`, reason })
    assert.equal((await closed.next()).payload.session_id, `socket-${i}`)
  }
  assert.deepEqual(camera.demand.at(-1)?.layers, {})
})

test('a repeated close, ten minutes after the end, does nothing (P17)', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const viewer = await openViewer(t, bus, 'one')
  await viewer.until(({ video }) => video.length > 0)
  for (let i = 0; i < 3; i++) await bus.publish(topics.close, { session_id: 'one', reason: 'grace' })
  await openViewer(t, bus, 'two').then((two) => two.until(({ video }) => video.length > 0))
  assert.equal(closed.all.length, 1)
})

test('a viewer with another certificate than announced gets no media, and its session is closed (P24)', async (t) => {
  const { bus, camera } = await startRobot(t, {}, { connect: 8_000 })
  camera.roll()
  const [closed, sessions] = await Promise.all([collect(bus, topics.closed), collect(bus, topics.sessions)])
  const viewer = await openViewer(t, bus, 'one', {
    forge: (sdp) =>
      sdp.replaceAll(
        /^(a=fingerprint:sha-256 )(..)/gm,
        (_, head, byte) => `${head}${byte === '00' ? '01' : '00'}`,
      ),
  })
  const { payload } = await closed.next({ within: 10_000 })
  assert.deepEqual(payload, { session_id: 'one', reason: 'ice-failed', by: 'robot' })
  assert.equal(viewer.video.length, 0)
  assert.ok(!sessions.all.some(({ payload: all }) => all.some(({ state }) => state === 'connected')))
})

test('a session ends with its TURN server, and the next request uses its own servers (P25)', {
  skip: noTurnServer(),
}, async (t) => {
  const first = await startTurnServer(t)
  const timings = { silence: 500, grace: 1_500, watch: 50 }
  const { bus, camera } = await startRobot(t, { ice: { policy: 'relay' } }, timings)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const viewer = await openViewer(t, bus, 'one', { iceServers: [first.over('udp')] })
  await viewer.until(({ video }) => video.length > 0, 10_000)
  await first.stop()
  assert.deepEqual((await closed.next({ within: 15_000 })).payload, {
    session_id: 'one',
    reason: 'connection-lost',
    by: 'robot',
  })
  const second = await startTurnServer(t)
  const again = await openViewer(t, bus, 'one', { iceServers: [second.over('udp')] })
  await again.until(({ video }) => video.length > 0, 10_000)
})

test('a TURN server that fails during a session is replaced by the second one (P25, D13)', {
  skip: noTurnServer(),
}, async (t) => {
  const [first, second] = await Promise.all([startTurnServer(t), startTurnServer(t)])
  const timings = { silence: 400, grace: 15_000, watch: 50 }
  const { bus, camera } = await startRobot(t, { ice: { policy: 'relay' } }, timings)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const viewer = await openViewer(t, bus, 'one', { iceServers: [first.over('udp'), second.over('udp')] })
  await viewer.until(({ video }) => video.length > 0, 10_000)
  await first.stop()
  const before = viewer.video.length
  await viewer.until(({ video }) => video.length > before + 20, 15_000)
  assert.deepEqual(closed.all, [])
})
