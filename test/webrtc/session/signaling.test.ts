import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

test('the offer has video, audio and the data channel, in this order, as docs/relay-protocol.md requires (E05)', async (t) => {
  const { bus } = await startRobot(t)
  const offers = await collect(bus, topics.offer)
  await bus.publish(topics.request, { session_id: 'one', ice_servers: [] })
  const { sdp } = (await offers.next()).payload.sdp
  const sections = sdp.split(/^(?=m=)/m).slice(1)
  assert.deepEqual(
    sections.map((section) => /^m=(\w+)/.exec(section)?.[1]),
    ['video', 'audio', 'application'],
  )
  assert.match(sdp, /^a=group:BUNDLE 0 1 2\r$/m)
  for (const [i, section] of sections.entries()) {
    assert.match(section, new RegExp(`^a=mid:${i}\\r$`, 'm'))
    assert.match(section, /^a=setup:actpass\r$/m)
    assert.match(section, /^a=candidate:.* typ host/m)
  }
  const [video = '', audio = ''] = sections
  const streams = [video, audio].map((section) => /^a=msid:(\S+) \S+\r$/m.exec(section)?.[1])
  assert.ok(streams[0])
  assert.equal(streams[0], streams[1])
  for (const section of [video, audio]) assert.match(section, /^a=sendonly\r$/m)
  assert.match(video, /^a=rtpmap:\d+ H264\/90000\r$[\s\S]*^a=rtpmap:\d+ VP8\/90000\r$/m)
  assert.doesNotMatch(video, /abs-send-time/)
  assert.match(video, /profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1/)
  for (const feedback of ['nack', 'nack pli', 'ccm fir', 'goog-remb', 'transport-cc']) {
    assert.match(video, new RegExp(`^a=rtcp-fb:\\d+ ${feedback}\\r$`, 'm'))
  }
  assert.match(video, /^a=extmap:\d+ .*transport-wide-cc/m)
  assert.match(audio, /^a=rtpmap:\d+ opus\/48000\/2\r$/m)
  assert.match(audio, /stereo=0/)
})

test('answer and candidates are accepted in any order, with malformed ones between (P9, P10)', async (t) => {
  const { bus, camera, logged } = await startRobot(t)
  camera.roll()
  const garbage = [
    null,
    { candidate: null },
    { candidate: '' },
    { candidate: 'rubbish' },
    { candidate: 'a=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active', sdpMid: '0' },
    { candidate: 'candidate:1 1 udp 1 3e2c7a1c.local 9 typ host', sdpMid: 'video' },
    { candidate: 'candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag other', sdpMLineIndex: 77 },
  ]
  const offers = await collect(bus, topics.offer)
  const requested = openViewer(t, bus, 'one')
  await offers.next()
  for (const candidate of garbage) await bus.publish(topics.remoteCandidate, { session_id: 'one', candidate })
  const viewer = await requested
  for (const candidate of garbage) await bus.publish(topics.remoteCandidate, { session_id: 'one', candidate })
  await bus.publish(topics.remoteCandidate, { session_id: 'unknown', candidate: null })
  await bus.publish(topics.answer, { session_id: 'unknown', sdp: { type: 'answer', sdp: 'v=0' } })
  await bus.publish(topics.answer, { session_id: 'one', sdp: { type: 'answer', sdp: 'second answer' } })
  await viewer.until(({ video }) => video.length > 0)
  assert.deepEqual(
    logged.filter(({ level }) => level === 'error' || level === 'fatal'),
    [],
  )
})

test('twenty requests with one id make one live session, and none is reported closed (P22, C02, C09, C19)', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const sessions = await collect(bus, topics.sessions)
  const offers = await collect(bus, topics.offer)
  for (let i = 0; i < 20; i++) await bus.publish(topics.request, { session_id: 'one', ice_servers: [] })
  await bus.publish(topics.request, { session_id: 'last', ice_servers: [] })
  await offers.next({ where: ({ session_id }) => session_id === 'last' })
  const viewer = await openViewer(t, bus, 'one')
  await viewer.until(({ video }) => video.length > 0)
  const list = await sessions.next({ where: (all) => all.some(({ state }) => state === 'connected') })
  assert.equal(list.payload.filter(({ session_id }) => session_id === 'one').length, 1)
  assert.deepEqual(closed.all, [])
})

test('at max_connections a session that never connected is evicted first, then the oldest (C10, D07)', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const one = await openViewer(t, bus, 'one')
  await one.until(({ video }) => video.length > 0)
  await openViewer(t, bus, 'mute', { silent: true })
  const three = await openViewer(t, bus, 'three')
  assert.deepEqual((await closed.next()).payload, { session_id: 'mute', reason: 'evicted', by: 'robot' })
  await three.until(({ video }) => video.length > 0)
  const four = await openViewer(t, bus, 'four')
  assert.deepEqual((await closed.next()).payload, { session_id: 'one', reason: 'evicted', by: 'robot' })
  await four.until(({ video }) => video.length > 0)
})

test('an unanswered offer is repeated, then ends with an error (P7, P8, P12, C05, C06)', async (t) => {
  const { bus } = await startRobot(t, {}, { resend: [50, 100], answer: 200 })
  const [offers, errors, closed] = await Promise.all([
    collect(bus, topics.offer),
    collect(bus, topics.error),
    collect(bus, topics.closed),
  ])
  await bus.publish(topics.request, { session_id: 'one', ice_servers: [] })
  assert.equal((await errors.next()).payload.code, 'answer-timeout')
  assert.equal((await closed.next()).payload.reason, 'answer-timeout')
  assert.equal(offers.all.length, 3)
  assert.equal(new Set(offers.all.map(({ payload }) => payload.sdp.sdp)).size, 1)
})

test('an offer is not repeated once a candidate has arrived (P7)', async (t) => {
  const { bus } = await startRobot(t, {}, { resend: [1_500], answer: 2_000 })
  const [offers, closed] = await Promise.all([collect(bus, topics.offer), collect(bus, topics.closed)])
  await bus.publish(topics.request, { session_id: 'one', ice_servers: [] })
  await offers.next()
  await bus.publish(topics.remoteCandidate, { session_id: 'one', candidate: { candidate: '', sdpMid: '0' } })
  await closed.next()
  assert.equal(offers.all.length, 1)
})

test('a viewer that answers and never connects is closed (P12)', async (t) => {
  const { bus } = await startRobot(t, {}, { connect: 150 })
  const [offers, errors] = await Promise.all([collect(bus, topics.offer), collect(bus, topics.error)])
  const answers = await collect(bus, topics.answer)
  await openViewer(t, bus, 'helper')
  const { sdp } = (await answers.next()).payload
  await bus.publish(topics.request, { session_id: 'one', ice_servers: [] })
  await offers.next({ where: ({ session_id }) => session_id === 'one' })
  const elsewhere = sdp.sdp
    .replaceAll(/^a=candidate:.*\r\n/gm, '')
    .replaceAll(/^a=ice-ufrag:.*$/gm, 'a=ice-ufrag:none')
  await bus.publish(topics.answer, { session_id: 'one', sdp: { type: 'answer', sdp: elsewhere } })
  assert.equal(
    (await errors.next({ where: ({ session_id }) => session_id === 'one' })).payload.code,
    'connect-timeout',
  )
})

test('an unusable answer ends the session with an error', async (t) => {
  const { bus } = await startRobot(t)
  const [offers, errors] = await Promise.all([collect(bus, topics.offer), collect(bus, topics.error)])
  for (const sdp of ['rubbish', 'v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n', '\0'.repeat(1_000)]) {
    await bus.publish(topics.request, { session_id: 'one', ice_servers: [] })
    await offers.next()
    await bus.publish(topics.answer, { session_id: 'one', sdp: { type: 'answer', sdp } })
    assert.equal((await errors.next()).payload.code, 'bad-answer')
  }
})

test('a silent viewer is closed after its grace period (P15, P23)', async (t) => {
  const { bus, camera } = await startRobot(t, {}, { silence: 300, grace: 300, watch: 50 })
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const viewer = await openViewer(t, bus, 'one')
  await viewer.until(({ video }) => video.length > 0)
  // gone without a word, as when the app is killed
  viewer.hangUp()
  for (const { connection } of viewer.pc.iceTransports) connection.send = async () => undefined
  for (const { connection } of viewer.pc.iceTransports) await connection.close()
  const { payload } = await closed.next({ within: 5_000 })
  assert.deepEqual(payload, { session_id: 'one', reason: 'connection-lost', by: 'robot' })
})

test('webrtc/sessions shows state, candidate pair and statistics, and is empty at the end (D10, D11)', async (t) => {
  const { bus, camera, service } = await startRobot(t, {}, { report: 300 })
  camera.roll()
  const sessions = await collect(bus, topics.sessions)
  assert.deepEqual((await sessions.next()).payload, [])
  await openViewer(t, bus, 'one')
  for (const state of ['offered', 'answered', 'connected']) {
    await sessions.next({ where: ([one]) => one?.state === state })
  }
  const { payload } = await sessions.next({
    within: 5_000,
    where: ([one]) => (one?.bitrate ?? 0) > 0 && one?.loss !== null,
  })
  const [one] = payload
  assert.equal(one?.codec, 'H264')
  assert.equal(one?.layer, 'low')
  assert.equal(one?.connection_type, 'LAN')
  assert.equal(one?.protocol, 'udp')
  assert.match(one?.candidate_pair ?? '', /^host .* > /)
  assert.ok((one?.rtt_ms ?? -1) >= 0)
  await service[Symbol.asyncDispose]()
  await sessions.next({ where: (all) => all.length === 0 })
})

test('dead STUN and TURN servers delay neither offer nor video, and leave nothing open (D02, D05, D06)', async (t) => {
  const { bus, camera, service } = await startRobot(t)
  camera.roll()
  const dead = [
    { urls: ['stun:127.0.0.1:9', 'turn:127.0.0.1:9?transport=udp'], username: 'u', credential: 'p' },
    { urls: 'stun:does-not-exist.invalid:3478' },
  ]
  const offers = await collect(bus, topics.offer)
  const begun = performance.now()
  const viewer = await openViewer(t, bus, 'one', { iceServers: dead })
  await offers.next()
  assert.ok(performance.now() - begun < 1_000)
  await viewer.until(({ video }) => video.length > 0)
  await viewer.close()
  await service[Symbol.asyncDispose]()
  const sockets = () => process.getActiveResourcesInfo().filter((kind) => /^(UDP|TCPSocket)Wrap$/.test(kind))
  await until(() => sockets().length === 0, { show: sockets })
})

test('with ice.policy relay and no TURN server an error is sent instead of an offer (P5)', async (t) => {
  const { bus } = await startRobot(t, { ice: { policy: 'relay' } })
  const [offers, errors] = await Promise.all([collect(bus, topics.offer), collect(bus, topics.error)])
  await bus.publish(topics.request, { session_id: 'one', ice_servers: [{ urls: 'stun:127.0.0.1:9' }] })
  assert.equal((await errors.next()).payload.code, 'offer-failed')
  assert.equal(offers.all.length, 0)
})

test('sockets stay in the port range, and additional addresses are offered', async (t) => {
  const ice = { port_range: [45_000, 45_040], additional_host_addresses: ['203.0.113.9', 'nonsense'] }
  const { bus } = await startRobot(t, { ice, max_connections: 5 })
  const offers = await collect(bus, topics.offer)
  for (let i = 0; i < 5; i++) await bus.publish(topics.request, { session_id: `${i}`, ice_servers: [] })
  const used: number[] = []
  for (let i = 0; i < 5; i++) {
    const { sdp } = (await offers.next()).payload.sdp
    const [video = ''] = sdp.split(/^(?=m=)/m).slice(1)
    assert.match(video, /^a=candidate:.* 203\.0\.113\.9 \d+ typ host/m)
    used.push(...Array.from(video.matchAll(/ (\d+) typ host/g), ([, port]) => Number(port)))
  }
  assert.ok(used.every((port) => port >= 45_000 && port <= 45_040))
})
