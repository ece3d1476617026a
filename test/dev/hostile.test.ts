import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { until } from '#dev/harness/until.ts'
import { ROBOT, refusal, relayFor, SECRET } from './peers.ts'

const PROOF = `device_id=${ROBOT}&sig=${createHmac('sha256', SECRET).update(ROBOT).digest('hex')}`
const deep = (levels: number) => `{"event":"bark","data":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`

test('frames nested without end are not passed on, and the relay lives', async (t) => {
  const { robot, app } = await relayFor(t)
  const viewer = await app('S')
  const device = await robot()
  device.send(deep(500))
  await viewer.next(({ event }) => event === 'bark')
  device.send(deep(100_000))
  assert.equal(await device.closed, 1000)
  await robot()
  viewer.send(deep(100_000))
  await viewer.next(({ code }) => code === 'INVALID_MESSAGE')
})

test('of two robots that waited for the same predecessor, the later one stays', async (t) => {
  const { robot, open, app } = await relayFor(t, {}, { replace: 200 })
  const first = await robot()
  first.socket.pause()
  const second = await open(`/ws/device?${PROOF}`)
  const third = await open(`/ws/device?${PROOF}`)
  assert.equal(await second.closed, 1000)
  const viewer = await app('S')
  viewer.send({ type: 'webrtc_request' })
  await third.next(({ type }) => type === 'webrtc_request')
})

test('a frame of more than 16 MiB ends its own connection only, with 1009', async (t) => {
  const { robot, app } = await relayFor(t)
  const [device, viewer, other] = [await robot(), await app('S'), await app('T')]
  const huge = 'x'.repeat(16 * 1024 * 1024 + 1)
  device.send(huge)
  viewer.send(huge)
  assert.equal(await device.closed, 1009)
  assert.equal(await viewer.closed, 1009)
  other.send({ type: 'ping' })
  await other.next(({ type }) => type === 'pong')
})

test('an id used again passes nothing of its earlier session until it asks for video', async (t) => {
  const { robot, app } = await relayFor(t, {}, { appGrace: 150 })
  const device = await robot()
  const ask = { type: 'webrtc_request' }
  const first = await app('S')
  first.send(ask)
  await device.next(({ type }) => type === 'webrtc_request')
  first.socket.close()
  await first.closed
  const second = await app('S')
  device.send({ type: 'webrtc_offer', session_id: 'S', sdp: 'early' })
  second.send({ type: 'webrtc_answer', session_id: 'S', sdp: 'early' })
  device.send({ type: 'ping' })
  await device.next(({ type }) => type === 'pong')
  second.send(ask)
  await device.next(({ type }) => type === 'webrtc_request')
  device.send({ type: 'webrtc_offer', session_id: 'S', sdp: 'now' })
  assert.equal((await second.next(({ type }) => type === 'webrtc_offer')).sdp, 'now')
  assert.ok(!device.frames.some(({ type }) => type === 'webrtc_answer'))
  // the first one's grace ends without a word: its user is here
  second.socket.close()
  await device.next(({ type }) => type === 'user_disconnected')
  assert.equal(device.frames.filter(({ type }) => type === 'webrtc_close').length, 1)
})

test('an app closes its own session only', async (t) => {
  const { robot, app } = await relayFor(t)
  const [device, one, two] = [await robot(), await app('1'), await app('2')]
  for (const viewer of [one, two]) viewer.send({ type: 'webrtc_request' })
  await device.next(({ session_id }) => session_id === '2')
  two.send({ type: 'webrtc_close', session_id: '1' })
  two.send({ type: 'webrtc_close', session_id: '2' })
  assert.equal((await device.next(({ type }) => type === 'webrtc_close')).session_id, '2')
})

test('whatever a robot or an app says, the relay goes on', async (t) => {
  const { robot, app } = await relayFor(t)
  const watcher = await app('watcher')
  const word = fc.constantFrom('type', 'event', 'command', 'session_id', 'data', 'timestamp', '__proto__')
  const said = fc.constantFrom('webrtc_offer', 'webrtc_close', 'session_hello', 'ping', 'battery', 'S', null)
  const frame = fc.oneof(
    fc.string(),
    fc.json(),
    fc.dictionary(word, fc.oneof(said, fc.jsonValue())).map((it) => JSON.stringify(it)),
  )
  for (const frames of fc.sample(fc.array(frame, { maxLength: 40 }), 20)) {
    const [device, viewer] = [await robot(), await app('S')]
    for (const line of frames) {
      device.send(line)
      viewer.send(line)
    }
    viewer.socket.close()
    await viewer.closed
  }
  watcher.send({ type: 'ping' })
  await watcher.next(({ type }) => type === 'pong')
})

test('paths that climb, and requests that are none, get nothing', async (t) => {
  const { relay, address } = await relayFor(t)
  for (const path of ['/../index.ts', '/..%2findex.ts', '/%2e%2e/config.ts', '//', '/\\..\\index.ts']) {
    const asked = request({ host: '127.0.0.1', port: relay.port, path })
    asked.end()
    const [response] = await once(asked, 'response')
    response.resume()
    assert.equal(response.statusCode, 404, path)
  }
  const post = await fetch(`http://${address}/`, { method: 'POST', body: 'x' })
  assert.equal(post.status, 404)
  const socket = connect(relay.port, '127.0.0.1')
  socket.end('rubbish\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
  assert.ok((await fetch(`http://${address}/health`)).headers.get('date'))
})

test('a page of this very relay may open it under any local name', async (t) => {
  const { relay, open } = await relayFor(t)
  for (const name of ['localhost', '127.0.0.1', 'robot', 'robot.local', '[::1]']) {
    const host = `${name}:${relay.port}`
    await open('/ws/app', { Origin: `http://${host}`, Host: host })
  }
  const elsewhere = { Origin: 'http://localhost:1', Host: `localhost:${relay.port}` }
  assert.equal(await refusal(`ws://127.0.0.1:${relay.port}/ws/app`, elsewhere), 403)
})

test('an app that floods commands does not end the connection of a slow robot, and loses none of them', {
  timeout: 60_000,
}, async (t) => {
  const { robot, app } = await relayFor(t)
  const [device, viewer] = [await robot(), await app('S')]
  device.socket.pause()
  const COUNT = 60
  for (let n = 0; n < COUNT; n++) {
    viewer.send({ type: 'command', command: 'light', id: `${n}`, data: { text: 'x'.repeat(1_000_000) } })
  }
  // all is read, or the relay has stopped reading
  let before = -1
  let polls = 0
  const isSettled = () => {
    const { bufferedAmount } = viewer.socket
    polls = bufferedAmount === before ? polls + 1 : 0
    before = bufferedAmount
    return polls >= 10
  }
  await until(isSettled, { deadline: 20_000, every: 50 })
  device.socket.resume()
  await device.next(({ id }) => id === `${COUNT - 1}`)
  const ids = device.frames.filter(({ command }) => command === 'light').map(({ id }) => Number(id))
  assert.deepEqual(ids, [...Array(COUNT).keys()])
})

test('an app whose session_id is a megabyte is refused', { timeout: 60_000 }, async (t) => {
  const { open } = await relayFor(t)
  const viewer = await open('/ws/app')
  viewer.send({ type: 'session_hello', session_id: 'S'.repeat(1_000_000) })
  await viewer.next(({ code }) => code === 'INVALID_MESSAGE')
  viewer.send({ type: 'session_hello', session_id: 'S' })
  await viewer.next(({ type }) => type === 'session_ack')
})

test('of apps that come and go without end, the sessions of the newest 64 can be resumed', {
  timeout: 60_000,
}, async (t) => {
  const { robot, app } = await relayFor(t)
  const device = await robot()
  for (let n = 0; n < 65; n++) {
    const viewer = await app(`S${n}`)
    viewer.send({ type: 'webrtc_request' })
    await device.next(({ type, session_id }) => type === 'webrtc_request' && session_id === `S${n}`)
    viewer.socket.close()
    await viewer.closed
  }
  assert.equal((await device.next(({ type }) => type === 'webrtc_close')).session_id, 'S0')
  assert.equal(device.frames.filter(({ type }) => type === 'webrtc_close').length, 1)
})

test('a robot that sends empty frames before it is registered is disconnected', {
  timeout: 60_000,
}, async (t) => {
  const { robot, open } = await relayFor(t)
  const first = await robot()
  first.socket.pause()
  const second = await open(`/ws/device?${PROOF}`)
  const { _socket: socket } = second.socket as unknown as { _socket: Socket }
  // RFC 6455 §5.2: a masked text frame without content
  socket.write(Buffer.from('818000000000'.repeat(300_000), 'hex'))
  assert.equal(await second.closed, 1000)
})
