import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'

const OFFER = { type: 'offer', sdp: 'v=0\r\n' } as const
const DEVICE = { device_id: 'wimz_robot_99', session_id: 'P' }

test('offers, answers, restarts and refusals of a player pass in both directions', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const [requests, restarts] = [
    await collect(robot, topics.request),
    await collect(robot, topics.whepRestart),
  ]
  const socket = await relay.robot()
  await link.next(online)
  socket.send({ type: 'webrtc_request', session_id: 'P', ice_servers: [], offer: OFFER })
  assert.deepEqual((await requests.next()).payload, { session_id: 'P', ice_servers: [], offer: OFFER })
  const sdp = { type: 'answer', sdp: 'v=0\r\n' } as const
  await robot.publish(topics.whepAnswer, { session_id: 'P', sdp })
  assert.deepEqual(await socket.next(({ type }) => type === 'webrtc_answer'), {
    type: 'webrtc_answer',
    ...DEVICE,
    sdp,
  })
  socket.send({ type: 'webrtc_offer', session_id: 'P', sdp: OFFER })
  assert.deepEqual((await restarts.next()).payload, { session_id: 'P', sdp: OFFER })
  await robot.publish(topics.error, { session_id: 'P', code: 'busy', error: 'full' })
  const refused = { type: 'webrtc_error', ...DEVICE, error: 'full' }
  assert.deepEqual(await socket.next(({ type }) => type === 'webrtc_error'), { ...refused, code: 'busy' })
  await robot.publish(topics.error, { session_id: 'P', code: 'offer-failed', error: 'full' })
  assert.deepEqual(await socket.next(({ type }) => type === 'webrtc_error'), refused, 'no code, as before')
})

test('the end of a player stops no motor, and the app’s end does not end the player', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const [motor, closes] = [await collect(robot, topics.motor), await collect(robot, topics.close)]
  const socket = await relay.robot()
  await link.next(online)
  socket.send({ type: 'webrtc_request', session_id: 'A', ice_servers: [] })
  socket.send({ type: 'webrtc_request', session_id: 'P', ice_servers: [], offer: OFFER })
  const drive = (left: number) => socket.send({ type: 'command', command: 'motor', left, right: 0.5 })
  const speedOf = async () => (await motor.next()).payload.params.left
  // at once: without drive commands for 500 ms the motors stop anyway
  drive(0.1)
  socket.send({ type: 'webrtc_close', session_id: 'P' })
  drive(0.2)
  assert.deepEqual([await speedOf(), await speedOf()], [0.1, 0.2], 'no stop between')
  assert.equal((await closes.next()).payload.session_id, 'P')
  socket.send({ type: 'webrtc_request', session_id: 'P', ice_servers: [], offer: OFFER })
  socket.send({ type: 'user_disconnected', user_id: 'local' })
  assert.equal(await speedOf(), 0, 'the app’s end stops it')
  assert.equal((await closes.next()).payload.session_id, 'A')
  assert.deepEqual(
    closes.all.map(({ payload }) => payload.session_id),
    ['P', 'A'],
  )
})

test('a video service that has restarted ends the players’ sessions at the relay, but not new requests', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const requests = await collect(robot, topics.request)
  const online1 = { state: 'online', version: '0', since: 1 } as const
  await robot.publish(topics.serviceState, online1, { service: 'webrtc' })
  const socket = await relay.robot()
  await link.next(online)
  socket.send({ type: 'webrtc_request', session_id: 'P', ice_servers: [], offer: OFFER })
  await requests.next()
  await robot.publish(topics.whepAnswer, { session_id: 'P', sdp: { type: 'answer', sdp: 'v=0' } })
  await socket.next(({ type }) => type === 'webrtc_answer')
  socket.send({ type: 'webrtc_request', session_id: 'Q', ice_servers: [], offer: OFFER })
  await requests.next()
  await robot.publish(topics.serviceState, { ...online1, since: 2 }, { service: 'webrtc' })
  assert.equal((await socket.next(({ type }) => type === 'webrtc_close')).session_id, 'P')
  assert.equal((await requests.next()).payload.session_id, 'Q', 'published again')
  assert.equal(socket.frames.filter(({ type }) => type === 'webrtc_close').length, 1)
})
