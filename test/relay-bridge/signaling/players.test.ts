import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { InboundFrames } from '#services/relay-bridge/signaling/inbound.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
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
  const memory = await memoryBus(t)
  const closes = await collect(await memory.connect('robot'), topics.close)
  let halts = 0
  const requested: string[] = []
  const inbound = memory.use(
    new InboundFrames({
      bus: await memory.connect('relay-bridge'),
      log: memory.log,
      deviceId: DEVICE.device_id,
      relay: new URL('ws://relay.example'),
      commands: { halt: () => halts++ } as never,
      requests: {
        request: async ({ session_id }: { session_id: string }) => void requested.push(session_id),
        forget() {},
      } as never,
      snapshots: { request() {} },
      cloud: { types: [], ingest: async () => {} } as never,
    }),
  )
  const ingest = (frame: object) => inbound.ingest(JSON.stringify(frame))
  ingest({ type: 'webrtc_request', session_id: 'A', ice_servers: [] })
  for (const session_id of ['P', 'Q'])
    ingest({ type: 'webrtc_request', session_id, ice_servers: [], offer: OFFER })
  await until(() => requested.length === 3)
  ingest({ type: 'webrtc_request', session_id: 'W', ice_servers: [], role: 'watch' })
  await until(() => requested.length === 4)
  ingest({ type: 'webrtc_close', session_id: 'W' })
  assert.equal((await closes.next()).payload.session_id, 'W')
  assert.equal(halts, 0, 'it only watched')
  ingest({ type: 'webrtc_close', session_id: 'P' })
  assert.equal((await closes.next()).payload.session_id, 'P')
  assert.equal(halts, 0)
  ingest({ type: 'user_disconnected', user_id: 'local' })
  assert.equal((await closes.next()).payload.session_id, 'A')
  assert.equal(halts, 1, 'the app’s end stops the motors')
  ingest({ type: 'webrtc_close', session_id: 'Q' })
  assert.equal((await closes.next()).payload.session_id, 'Q', 'it had not ended with the app')
  assert.equal(halts, 1)
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
