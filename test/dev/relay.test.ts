import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { LocalRelaySection } from '#dev/relay/config.ts'
import { startRelay } from '#dev/relay/index.ts'
import { createLogger } from '#lib/logger.ts'
import { authHeaders } from '#services/relay-bridge/connection/credentials.ts'
import { isListed } from '#services/relay-bridge/connection/stale-registration-check.ts'
import { ROBOT, refusal, relayFor, SECRET, statusOf } from './peers.ts'

const hmac = (message: string) => createHmac('sha256', SECRET).update(message).digest('hex')

test('all five message forms open the device socket, by query or header, in any case', async (t) => {
  const { open } = await relayFor(t)
  const ts = '1737200000'
  for (const message of [ROBOT + ts, `${ROBOT}:${ts}`, ts + ROBOT, `${ts}:${ROBOT}`, ROBOT]) {
    const robot = await open(
      `/ws/device?device_id=${ROBOT}&sig=${hmac(message).toUpperCase()}&timestamp=${ts}`,
    )
    await robot.next(({ type }) => type === 'profiles')
  }
  const mixed = await open(`/ws/device?device_id=${ROBOT}`, { 'X-Signature': hmac(ROBOT) })
  await mixed.next(({ type }) => type === 'profiles')
})

test('a rejection is HTTP 403, for a wrong signature, an unknown robot and an unknown path', async (t) => {
  const { address } = await relayFor(t)
  for (const path of [
    '/ws/device',
    `/ws/device?device_id=${ROBOT}&sig=${hmac('other')}`,
    `/ws/device?device_id=unknown&sig=${hmac('unknown')}`,
    '/nowhere',
    '/ws/device/',
  ]) {
    assert.equal(await refusal(`ws://${address}${path}`), 403, path)
  }
})

test('a second socket of the same robot closes the first with 1000', async (t) => {
  const { robot } = await relayFor(t)
  const first = await robot()
  await robot()
  assert.equal(await first.closed, 1000)
})

test('while a frozen predecessor is waited for, the new socket is silent, and its frames are kept', async (t) => {
  const { robot, open } = await relayFor(t, {}, { replace: 300 })
  const first = await robot()
  first.socket.pause()
  const start = performance.now()
  const second = await open(`/ws/device?device_id=${ROBOT}&sig=${hmac(ROBOT)}`)
  second.send({ type: 'ping' })
  await second.next(({ type }) => type === 'pong')
  assert.ok(performance.now() - start > 250)
  assert.equal(second.frames[0]?.type, 'profiles')
})

test('frames that the relay cannot process disconnect the robot, bad JSON does not', async (t) => {
  const { robot } = await relayFor(t)
  const deadly = [
    '[]',
    '1',
    'null',
    '"x"',
    '{"type":5}',
    '{"event":{}}',
    '{"event":"mission_progress","data":null}',
  ]
  for (const frame of deadly) {
    const one = await robot()
    one.send(frame)
    assert.equal(await one.closed, 1000, frame)
  }
  const binary = await robot()
  binary.socket.send(Buffer.from('{}'), { binary: true })
  assert.equal(await binary.closed, 1000)
  const shrug = await robot()
  for (const frame of ['', '{', 'x', '{"type":null}', '{}']) shrug.send(frame)
  shrug.send({ type: 'ping' })
  await shrug.next(({ type }) => type === 'pong')
})

test('signaling is routed only for the session of the app that requested it', async (t) => {
  const { robot, app } = await relayFor(t)
  const [device, viewer, other] = [await robot(), await app('S'), await app('T')]
  viewer.send({ type: 'webrtc_request', device_id: ROBOT })
  assert.deepEqual((await viewer.next(({ type }) => type === 'webrtc_credentials')).ice_servers, [])
  assert.deepEqual(await device.next(({ type }) => type === 'webrtc_request'), {
    type: 'webrtc_request',
    session_id: 'S',
    ice_servers: [],
  })
  viewer.send({ type: 'webrtc_request', talk: true })
  assert.equal((await device.next(({ type }) => type === 'webrtc_request')).talk, true)
  for (const session_id of ['T', 'X', null, undefined])
    device.send({ type: 'webrtc_offer', session_id, sdp: {} })
  const sdp = { type: 'offer', sdp: 'v=0' }
  device.send({ type: 'webrtc_offer', device_id: ROBOT, session_id: 'S', sdp })
  assert.deepEqual((await viewer.next(({ type }) => type === 'webrtc_offer')).sdp, sdp)
  viewer.send({ type: 'webrtc_answer', session_id: 'X', sdp: { type: 'answer', sdp: 'wrong' } })
  viewer.send({ type: 'webrtc_answer', sdp: { type: 'answer', sdp: 'right' } })
  const answer = await device.next(({ type }) => type === 'webrtc_answer')
  assert.deepEqual(answer.sdp, { type: 'answer', sdp: 'right' })
  assert.equal(answer.session_id, 'S')
  device.send({ type: 'webrtc_error', session_id: 'S', error: 'x' })
  await other.next(({ type }) => type === 'webrtc_error')
  assert.ok(!other.frames.some(({ type }) => type === 'webrtc_offer'))
})

test('a close from either side comes back to both once', async (t) => {
  const { robot, app } = await relayFor(t)
  const device = await robot()
  for (const closer of ['app', 'robot']) {
    const viewer = await app(closer)
    viewer.send({ type: 'webrtc_request' })
    await device.next(({ session_id }) => session_id === closer)
    const close = { type: 'webrtc_close', session_id: closer, reason: 'why' }
    ;(closer === 'app' ? viewer : device).send(close)
    assert.deepEqual(await viewer.next(({ type }) => type === 'webrtc_close'), close)
    assert.deepEqual(await device.next(({ type }) => type === 'webrtc_close'), close)
  }
})

test('events reach every app with a number, the relay’s time and an id', async (t) => {
  const { robot, app } = await relayFor(t)
  const [device, one, two] = [await robot(), await app('1'), await app('2')]
  device.send({ event: 'bark', id: 'abc', data: {} })
  for (const viewer of [one, two]) {
    const event = await viewer.next((frame) => frame.event === 'bark')
    assert.equal(event.event_id, 'abc')
    assert.equal(event.seq, 1)
    assert.equal(typeof event.ts_server, 'number')
  }
})

test('commands are forwarded without their address, and rejected when stale or when the robot is offline', async (t) => {
  const { robot, app } = await relayFor(t)
  const viewer = await app('S')
  const error = (code: string) => viewer.next((frame) => frame.type === 'error' && frame.code === code)
  viewer.send({ type: 'command', command: 'treat' })
  await error('DEVICE_OFFLINE')
  viewer.send({ type: 'webrtc_request' })
  await error('DEVICE_OFFLINE')
  const device = await robot()
  await viewer.next((frame) => frame.type === 'robot_status' && frame.online === true)
  viewer.send({ type: 'command', command: 'treat', timestamp: Date.now() - 3_000 })
  await error('STALE_COMMAND')
  viewer.send({
    type: 'command',
    command: 'treat',
    device_id: ROBOT,
    target_device: ROBOT,
    data: { count: 1 },
  })
  assert.deepEqual(await device.next(({ command }) => command === 'treat'), {
    type: 'command',
    command: 'treat',
    data: { count: 1 },
  })
})

test('what stops the robot is forwarded whatever the clock of the app', async (t) => {
  const { robot, app } = await relayFor(t)
  const device = await robot()
  const viewer = await app('S')
  const timestamp = Date.now() - 3_600_000
  viewer.send({ type: 'command', command: 'motor', data: { left: 0.5, right: 0 }, timestamp })
  await viewer.next((frame) => frame.code === 'STALE_COMMAND')
  for (const frame of [
    { command: 'stop' },
    { type: 'command', command: 'emergency_stop', data: {} },
    { command: 'motor', left: 0, right: 0 },
    { type: 'command', command: 'drive', data: { left: 0.05, right: 0 } },
  ]) {
    viewer.send({ ...frame, timestamp })
    assert.deepEqual(await device.next(({ command }) => command !== undefined), { ...frame, timestamp })
  }
})

test('an app without hello is closed, and its session ends when its pings stop', async (t) => {
  const { robot, app, open } = await relayFor(t, {}, { hello: 100, appPing: 200 })
  const device = await robot()
  assert.equal(await (await open('/ws/app')).closed, 4000)
  const viewer = await app('S')
  assert.equal(await viewer.closed, 4002)
  assert.equal((await device.next(({ type }) => type === 'session_ended')).reason, 'heartbeat_timeout')
})

test('an app that leaves, or is superseded, ends its session', async (t) => {
  const { robot, app } = await relayFor(t, { single_app: true })
  const device = await robot()
  const ended = () => device.next(({ type }) => type === 'session_ended')
  const first = await app('S')
  const second = await app('T')
  assert.equal(await first.closed, 4003)
  assert.deepEqual(await ended(), { type: 'session_ended', session_id: 'S', reason: 'superseded' })
  second.send({ type: 'client_closing' })
  assert.equal((await ended()).reason, 'client_closing')
})

test('an app that disconnects without a close message is reported after the grace period', async (t) => {
  const { robot, app } = await relayFor(t, {}, { appGrace: 100 })
  const device = await robot()
  const viewer = await app('S')
  viewer.send({ type: 'webrtc_request' })
  await device.next(({ type }) => type === 'webrtc_request')
  viewer.socket.terminate()
  assert.equal((await device.next(({ type }) => type === 'webrtc_close')).session_id, 'S')
  await device.next(({ type }) => type === 'user_disconnected')
})

test('invalid messages and floods from an app do not affect other clients', async (t) => {
  const { robot, app } = await relayFor(t)
  const [device, viewer, stalled] = [await robot(), await app('S'), await app('stalled')]
  for (const rubbish of ['', '{', '[]', '5', '{"type":{}}', 'x'.repeat(2 * 1024 * 1024)]) viewer.send(rubbish)
  await viewer.next(({ code }) => code === 'MESSAGE_TOO_LARGE')
  stalled.socket.pause()
  const photo = 'x'.repeat(1024 * 1024)
  // one at a time, so that no more than one waits for a viewer that reads, however slow the machine
  for (let i = 0; i < 24; i++) {
    device.send({ event: 'photo', data: { photo, i } })
    await viewer.next(({ event, data }) => event === 'photo' && (data as { i: number }).i === i)
  }
  viewer.send({ type: 'ping' })
  await viewer.next(({ type }) => type === 'pong')
  stalled.socket.resume()
  assert.equal(await stalled.closed, 1006)
})

test('a page of another site can neither take the place of the robot nor get TURN credentials', async (t) => {
  const { address } = await relayFor(t)
  const secret = authHeaders({ deviceId: ROBOT, secret: SECRET }, 'id:timestamp')
  const evil = { Origin: 'https://evil.example' }
  const port = address.split(':')[1]
  const rebound = { Origin: `http://evil.example:${port}`, Host: `evil.example:${port}` }
  for (const headers of [evil, rebound]) {
    assert.equal(await refusal(`ws://${address}/ws/device`, { ...secret, ...headers }), 403)
    assert.equal(await refusal(`ws://${address}/ws/app`, headers), 403)
    for (const path of ['/', '/viewer.js', '/health', '/debug/pairing', '/debug/latency']) {
      assert.equal(await statusOf(address, path, headers), 403, path)
    }
  }
  assert.equal(await statusOf(address, '/debug/pairing', { Host: `localhost:${port}` }), 200)
})

test('with a token, page and debug addresses need it; the files of the page and /health do not', async (t) => {
  const { address } = await relayFor(t, { token: 'let-me-in' })
  for (const path of ['/', '/index.html', '/debug/pairing', '/debug/latency']) {
    assert.equal(await statusOf(address, path), 403, path)
    assert.equal(await statusOf(address, `${path}?token=wrong`), 403, path)
    assert.equal(await statusOf(address, `${path}?token=let-me-in`), 200, path)
    assert.equal(await statusOf(address, path, { Authorization: 'Bearer let-me-in' }), 200, path)
  }
  for (const path of ['/health', '/viewer.js', '/style.css']) assert.equal(await statusOf(address, path), 200)
  const relay = URL.parse(`ws://${address}/ws/device`)
  assert.ok(relay)
  const auth = (secret: string) => () => authHeaders({ deviceId: ROBOT, secret }, 'id:timestamp')
  const listed = (secret: string) =>
    isListed({ relay, deviceId: ROBOT, auth: auth(secret), times: { answer: 10_000 } })
  assert.equal(await listed(SECRET), false, 'a robot needs its signature alone')
  assert.equal(await listed('wrong'), undefined)
  assert.equal(await statusOf(address, '/', auth(SECRET)()), 403)
})

test('an app without the token, or from a page of another site, is rejected', async (t) => {
  const { address } = await relayFor(t, { token: 'let-me-in' })
  const app = `ws://${address}/ws/app`
  assert.equal(await refusal(app), 403)
  assert.equal(await refusal(`${app}?token=wrong`), 403)
  assert.equal(await refusal(`${app}?token=let-me-in`, { Origin: 'https://evil.example' }), 403)
  const rebound = { Origin: 'http://evil.example:80', Host: 'evil.example:80' }
  assert.equal(await refusal(`${app}?token=let-me-in`, rebound), 403)
})

test('the page and its files are served, and nothing else', async (t) => {
  const { address } = await relayFor(t)
  const get = (path: string) => fetch(`http://${address}${path}`)
  const page = await get('/')
  assert.equal(page.status, 200)
  assert.match(page.headers.get('content-type') ?? '', /text\/html/)
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'self'/)
  assert.match(await page.text(), /<video/)
  for (const path of [
    '/../index.ts',
    '/%2e%2e/index.ts',
    '/page/',
    '/constructor',
    '/.env',
    '//etc/passwd',
  ]) {
    assert.equal((await get(path)).status, 404, path)
  }
  assert.deepEqual(await (await get('/health')).json(), { status: 'ok' })
  const latency = (await (await get('/debug/latency?client_ts=5')).json()) as { client_ts: number }
  assert.equal(latency.client_ts, 5)
})

test('a robot without an identity: the page and the log say what to do', async () => {
  const lines: string[] = []
  const log = createLogger('relay', { write: (line) => void lines.push(line) })
  const local_relay = LocalRelaySection.parse({ port: 0 })
  const start = (cloud: { device_id: string; device_secret: string }) =>
    startRelay({ config: { local_relay, cloud }, log })
  const pageOf = async (cloud: { device_id: string; device_secret: string }) => {
    await using relay = await start(cloud)
    return await (await fetch(`http://127.0.0.1:${relay.port}/`)).text()
  }
  assert.match(await pageOf({ device_id: ROBOT, device_secret: SECRET }), /<body>/)
  assert.ok(!lines.some((line) => line.includes('no robot can log in here')))
  assert.match(await pageOf({ device_id: '', device_secret: '' }), /<body data-identity="missing">/)
  assert.ok(lines.some((line) => line.includes('no robot can log in here')))
})

test('it closes with 1012 when it stops', async (t) => {
  const { relay, robot } = await relayFor(t)
  const device = await robot()
  await relay[Symbol.asyncDispose]()
  assert.equal(await device.closed, 1012)
})

test('an address that other machines reach needs a token', () => {
  assert.throws(
    () => LocalRelaySection.parse({ host: '0.0.0.0' }),
    /required when local_relay.host is reachable/,
  )
  LocalRelaySection.parse({ host: '0.0.0.0', token: 'x' })
})
