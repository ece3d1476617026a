import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { CloudSection } from '#services/relay-bridge/config.ts'
import { startRelayBridge } from '#services/relay-bridge/index.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { online, startBridge } from './bridge.ts'

const SDP = 'v=0\r\n'

test('it authenticates, greets first, and is online only when the relay has answered (A05)', async (t) => {
  const relay = await fakeRelay(t, { silent: true })
  const { link } = await startBridge(t, relay)
  const socket = await relay.robot()
  assert.equal(socket.headers['x-device-id'], 'wimz_robot_99')
  assert.match(String(socket.headers['x-signature']), /^[0-9a-f]{64}$/)
  await socket.next(({ type }) => type === 'ping')
  assert.equal(socket.frames[0]?.type, 'robot_connected')
  assert.equal((await link.next({ where: ({ state }) => state === 'registering' })).payload.connected, false)
  socket.send({ type: 'pong' })
  const { payload } = await link.next(online)
  assert.equal(payload.state, 'online')
  assert.equal(payload.url, relay.url)
})

test('signaling passes in both directions (C07)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const inbound = {
    request: await collect(robot, topics.request),
    answer: await collect(robot, topics.answer),
    candidate: await collect(robot, topics.remoteCandidate),
    close: await collect(robot, topics.close),
  }
  const socket = await relay.robot()
  await link.next(online)
  const ice_servers = [{ urls: 'stun:stun.example:3478' }]
  socket.send({ type: 'webrtc_request', session_id: 'S', ice_servers })
  assert.deepEqual((await inbound.request.next()).payload, { session_id: 'S', ice_servers })
  socket.send({ type: 'webrtc_request', session_id: 'S', ice_servers, talk: true })
  assert.deepEqual((await inbound.request.next()).payload, { session_id: 'S', ice_servers, talk: true })
  await robot.publish(topics.offer, { session_id: 'S', sdp: { type: 'offer', sdp: SDP } })
  const offer = await socket.next(({ type }) => type === 'webrtc_offer')
  assert.deepEqual(offer, {
    type: 'webrtc_offer',
    device_id: 'wimz_robot_99',
    session_id: 'S',
    sdp: { type: 'offer', sdp: SDP },
  })
  socket.send({
    type: 'webrtc_answer',
    session_id: 'S',
    sdp: { type: 'answer', sdp: SDP },
    device_id: 'wimz_robot_99',
  })
  socket.send({ type: 'webrtc_answer', session_id: 'T', sdp: SDP })
  assert.deepEqual((await inbound.answer.next()).payload, {
    session_id: 'S',
    sdp: { type: 'answer', sdp: SDP },
  })
  assert.deepEqual((await inbound.answer.next()).payload, {
    session_id: 'T',
    sdp: { type: 'answer', sdp: SDP },
  })
  socket.send({
    type: 'webrtc_ice',
    session_id: 'S',
    candidate: { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0 },
  })
  socket.send({ type: 'webrtc_ice', session_id: 'S', candidate: null })
  assert.equal((await inbound.candidate.next()).payload.candidate?.candidate, 'candidate:1')
  assert.equal((await inbound.candidate.next()).payload.candidate, null)
  const candidate = { candidate: 'candidate:2', sdpMid: '0', sdpMLineIndex: 0 }
  await robot.publish(topics.localCandidate, { session_id: 'S', candidate })
  assert.deepEqual((await socket.next(({ type }) => type === 'webrtc_ice')).candidate, candidate)
  for (const type of ['webrtc_close', 'session_ended']) {
    socket.send({ type, session_id: 'S', reason: 'superseded' })
    assert.deepEqual((await inbound.close.next()).payload, { session_id: 'S', reason: 'superseded' })
  }
})

test('a session that the robot ends is closed at the relay; a viewer’s close is not echoed (C13)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const socket = await relay.robot()
  await link.next(online)
  await robot.publish(topics.closed, { session_id: 'A', reason: 'viewer-left', by: 'viewer' })
  await robot.publish(topics.closed, { session_id: 'B', reason: 'ice-failed', by: 'robot' })
  await robot.publish(topics.error, { session_id: 'C', code: 'answer-timeout', error: 'answer timeout' })
  assert.equal((await socket.next(({ type }) => type === 'webrtc_error')).error, 'answer timeout')
  const closes = socket.frames.filter(({ type }) => type === 'webrtc_close')
  assert.deepEqual(
    closes.map(({ session_id, reason }) => ({ session_id, reason })),
    [{ session_id: 'B', reason: 'ice-failed' }],
  )
})

test('malformed frames are dropped and later ones processed (A19, B17)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link, memory } = await startBridge(t, relay)
  const requests = await collect(robot, topics.request)
  const unknown = await collect(robot, topics.cloud, { type: 'activity_clear' })
  const socket = await relay.robot()
  await link.next(online)
  const deep = '['.repeat(2_000) + ']'.repeat(2_000)
  for (const rubbish of [
    '',
    '{',
    '[]',
    '1',
    'null',
    '"x"',
    deep,
    '{}',
    '{"type":5}',
    '{"type":"a/b"}',
    'x'.repeat(2 ** 20),
  ]) {
    socket.send(rubbish)
  }
  socket.send({ type: 'webrtc_request' })
  socket.send({ type: 'webrtc_request', session_id: 'x'.repeat(1_000) })
  socket.send({ type: 'webrtc_answer', session_id: 'S', sdp: 5 })
  socket.send({ type: 'webrtc_ice', session_id: 'S', candidate: 'x' })
  socket.send({ type: 'webrtc_request', session_id: 'S', device_id: 'another_robot' })
  socket.socket.send(Buffer.from('{"type":"webrtc_request","session_id":"S"}'), { binary: true })
  socket.send({ type: 'activity_clear', event_ids: ['a'] })
  assert.deepEqual((await unknown.next()).payload.event_ids, ['a'])
  socket.send({ type: 'webrtc_request', session_id: 'good' })
  await requests.next({ where: ({ session_id }) => session_id === 'good' })
  assert.equal(requests.all.length, 1)
  assert.equal(socket.socket.readyState, socket.socket.OPEN)
  assert.ok(memory.logged.filter(({ level }) => level === 'warn').length <= 3)
})

test('a lost connection is dialed again', async (t) => {
  const relay = await fakeRelay(t)
  const { link } = await startBridge(t, relay)
  const first = await relay.robot()
  await link.next(online)
  first.socket.terminate()
  await link.next({ where: ({ state, connected }) => state === 'waiting' && !connected })
  await relay.robot()
  await link.next(online)
})

test('a half-open socket is detected by the bridge’s pings', async (t) => {
  const relay = await fakeRelay(t)
  const { link } = await startBridge(t, relay, { times: { ping: 50, pong: 100 } })
  const first = await relay.robot()
  await link.next(online)
  first.socket.pause()
  const { payload } = await link.next({ where: ({ state }) => state === 'waiting', within: 3_000 })
  assert.match(payload.last_close?.reason ?? '', /pong/)
  await relay.robot()
})

test('an open, silent socket is aborted only after the registration timeout', async (t) => {
  const relay = await fakeRelay(t, { silent: true })
  const { link } = await startBridge(t, relay, { times: { register: 300 } })
  await relay.robot()
  const { payload } = await link.next({ where: ({ state }) => state === 'waiting', within: 3_000 })
  assert.match(payload.last_close?.reason ?? '', /not registered/)
})

test('refused credentials cause one error line and no tight loop', async (t) => {
  const relay = await fakeRelay(t)
  relay.refuse(403)
  const { link, memory } = await startBridge(t, relay)
  const { payload } = await link.next({ where: ({ state }) => state === 'auth_failed' })
  assert.ok((payload.next_retry_ms ?? 0) > 25_000)
  assert.equal(payload.last_close?.code, 403)
  assert.equal(relay.attempts.length, 1)
  assert.equal(memory.logged.filter(({ level }) => level === 'error').length, 1)
})

test('missing credentials are logged once and disable the bridge', async (t) => {
  const memory = await memoryBus(t)
  const [bus, robot] = [await memory.connect('relay-bridge'), await memory.connect('robot')]
  const link = await collect(robot, topics.link)
  await startRelayBridge({
    bus,
    config: { cloud: CloudSection.parse({}), webrtc: { enabled: true }, data_dir: './data' },
    log: memory.log,
    env: {},
  })
  assert.equal((await link.next()).payload.state, 'disabled')
  const warnings = memory.logged.filter(({ level }) => level === 'warn')
  assert.equal(warnings.length, 1)
  assert.match(String(warnings[0]?.msg), /DEVICE_ID and DEVICE_SECRET/)
})

test('a clean stop sends robot_disconnecting and a close frame', async (t) => {
  const relay = await fakeRelay(t)
  const { link, bridge } = await startBridge(t, relay)
  const socket = await relay.robot()
  await link.next(online)
  const closed = new Promise((resolve) => socket.socket.on('close', resolve))
  await bridge[Symbol.asyncDispose]()
  await socket.next(({ type }) => type === 'robot_disconnecting')
  assert.equal(await closed, 1000)
})

test('the song of download_song has an absolute URL of the relay', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const commands = await collect(robot, topics.command, { name: 'download_song' })
  const socket = await relay.robot()
  await link.next(online)
  const origin = relay.url.replace(/^ws(.*)\/ws\/device$/, 'http$1')
  socket.send({ type: 'command', command: 'download_song', data: { url: '/api/music/file/1' } })
  assert.equal((await commands.next()).payload.params.url, `${origin}/api/music/file/1`)
  socket.send({ type: 'command', command: 'download_song', url: '/api/music/file/2' })
  assert.equal((await commands.next()).payload.params.url, `${origin}/api/music/file/2`)
})

test('a changed mode or battery is sent at once, an unchanged one is not', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const socket = await relay.robot()
  await link.next(online)
  await robot.publish(topics.telemetry, { mode: 'coach' }, { source: 'mode' })
  assert.equal((await socket.next(({ event }) => event === 'mode_changed')).mode, 'coach')
  await robot.publish(topics.telemetry, { mode: 'coach' }, { source: 'mode' })
  await robot.publish(topics.telemetry, { level: 50 }, { source: 'battery' })
  assert.equal((await socket.next(({ event }) => event === 'battery')).level, 50)
  assert.equal(socket.frames.filter(({ event }) => event === 'mode_changed').length, 1)
})
