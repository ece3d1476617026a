import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import type { Role } from '#dev/relay/access/role.ts'
import { App } from '#dev/relay/app.ts'
import { Hub } from '#dev/relay/hub.ts'
import { RELAY_TIMES } from '#dev/relay/times.ts'
import { createLogger } from '#lib/logger.ts'
import type { Frame } from './peers.ts'

const ROBOT = 'wimz_robot_99'

/** A hub with a robot that reads as slowly as the test says, and apps without a network. */
function hubFor(t: TestContext) {
  const hub = new Hub({
    log: createLogger('relay', { write: () => {} }),
    times: RELAY_TIMES,
    iceServers: [],
    dogs: [],
    singleApp: false,
    deviceIds: [ROBOT],
  })
  const received: Frame[] = []
  const robot = {
    deviceId: ROBOT,
    bufferedBytes: 0,
    send: (frame: Frame) => void received.push(frame),
    replace: () => Promise.resolve(),
  }
  hub.robots.set(ROBOT, robot)
  const app = (sessionId: string, role: Role = 'drive') => {
    const frames: Frame[] = []
    const socket = Object.assign(new EventEmitter(), {
      readyState: WebSocket.OPEN,
      bufferedAmount: 0,
      isPaused: false,
      send: (line: string) => void frames.push(JSON.parse(line)),
      pause() {
        socket.isPaused = true
      },
      resume() {
        socket.isPaused = false
      },
      close: () => void socket.emit('close'),
    })
    const connection = new App({ deviceId: ROBOT, role }, socket as unknown as WebSocket, hub)
    t.after(() => socket.close())
    const send = (frame: Frame) => void socket.emit('message', Buffer.from(JSON.stringify(frame)), false)
    send({ type: 'session_hello', session_id: sessionId })
    const errors = () => frames.filter(({ type }) => type === 'error').map(({ code }) => code)
    return { socket, frames, send, errors, id: connection.sessionId }
  }
  return { hub, robot, received, app }
}

test('while the robot reads too slowly, commands are rejected, and what stops it is not', (t) => {
  const { robot, received, app } = hubFor(t)
  const [driver, watcher] = [app('S'), app('W', 'watch')]
  robot.bufferedBytes = 3 * 1024 * 1024
  received.length = 0
  driver.send({ type: 'command', command: 'dispense_treat' })
  assert.deepEqual(driver.errors(), ['RATE_LIMITED'])
  driver.send({ type: 'command', command: 'stop', id: '1' })
  driver.send({ type: 'command', command: 'emergency_stop', id: '2' })
  driver.send({ type: 'command', command: 'motor', data: { left: 0, right: 0 }, id: '3' })
  watcher.send({ type: 'command', command: 'stop', id: '4' })
  assert.deepEqual(
    received.map(({ id }) => id),
    ['1', '2', '3', '4'],
  )
  received.length = 0
  driver.send({ type: 'command', command: 'stop', id: 'x'.repeat(100_000) })
  assert.deepEqual(received, [{ type: 'command', command: 'stop', data: {} }], 'without its ballast')
  received.length = 0
  for (const type of ['webrtc_ice', 'webrtc_answer']) driver.send({ type, command: 'stop' })
  assert.deepEqual(received, [], 'signaling is no stop')
  assert.deepEqual([driver.errors().length, watcher.errors().length], [3, 0])
})

test('while the robot reads too slowly, only an app that sends much is paused', (t) => {
  const { robot, received, app } = hubFor(t)
  const [driver, flooder] = [app('S'), app('W', 'watch')]
  robot.bufferedBytes = 1024 * 1024
  for (let n = 0; n < 100; n++)
    driver.send({ type: 'command', command: 'motor', data: { left: 0.5, right: 0.5 } })
  assert.equal(driver.socket.isPaused, false)
  flooder.send({ type: 'command', command: 'stop', id: 'x'.repeat(200_000) })
  assert.equal(flooder.socket.isPaused, true)
  driver.send({ type: 'command', command: 'stop', id: 'now' })
  assert.equal(driver.socket.isPaused, false)
  assert.equal(received.at(-1)?.id, 'now')
})

test('signaling of more than 64 KiB, in bytes, is refused', (t) => {
  const { received, app } = hubFor(t)
  const viewer = app('S')
  viewer.send({ type: 'webrtc_request' })
  viewer.send({ type: 'webrtc_answer', sdp: 'x'.repeat(60 * 1024) })
  assert.equal(received.at(-1)?.type, 'webrtc_answer')
  const before = received.length
  viewer.send({ type: 'webrtc_answer', sdp: 'x'.repeat(64 * 1024) })
  viewer.send({ type: 'webrtc_ice', candidate: '\u20ac'.repeat(30 * 1024) })
  assert.equal(received.length, before)
  assert.deepEqual(viewer.errors(), ['MESSAGE_TOO_LARGE', 'MESSAGE_TOO_LARGE'])
})

test('a viewer that only watches gets no session id of a driver that may return, nor of a player', (t) => {
  const { hub, received, app } = hubFor(t)
  const driver = app('S')
  driver.send({ type: 'webrtc_request' })
  driver.socket.close()
  assert.notEqual(app('S', 'watch').id, 'S')
  assert.equal(hub.routes.get('S')?.role, 'drive')
  const silent = app('no video')
  silent.socket.close()
  assert.notEqual(app('no video', 'watch').id, 'no video')
  const player = { deviceId: ROBOT, role: 'watch' as const, sessionId: 'whep-1', send() {}, supersede() {} }
  hub.players.set('whep-1', player)
  hub.routes.set('whep-1', player)
  const thief = app('whep-1', 'watch')
  assert.notEqual(thief.id, 'whep-1')
  assert.equal(hub.routes.get('whep-1'), player)
  const watcher = app('W', 'watch')
  watcher.socket.close()
  assert.equal(app('W', 'watch').id, 'W', 'its own it resumes')
  assert.equal(app('S').id, 'S', 'so does the driver')
  assert.ok(!received.some(({ type }) => type === 'webrtc_close'))
})

test('signaling passes only from the app that requested the video', (t) => {
  const { hub, received, app } = hubFor(t)
  const viewer = app('S')
  const other = { deviceId: ROBOT, role: 'drive' as const, sessionId: 'S', send() {}, supersede() {} }
  hub.routes.set('S', other)
  viewer.send({ type: 'webrtc_ice', candidate: 'x' })
  assert.ok(!received.some(({ type }) => type === 'webrtc_ice'))
  viewer.send({ type: 'webrtc_request' })
  viewer.send({ type: 'webrtc_ice', candidate: 'x' })
  assert.equal(received.at(-1)?.type, 'webrtc_ice')
})

test('of too many apps that departed, one that watches loses its session before one that drives', (t) => {
  const { hub, app } = hubFor(t)
  const leave = (id: string, role: Role) => {
    const viewer = app(id, role)
    viewer.send({ type: 'webrtc_request' })
    viewer.socket.close()
  }
  leave('driver', 'drive')
  for (let n = 0; n < 100; n++) leave(`W${n}`, 'watch')
  assert.ok(hub.routes.has('driver'))
  assert.equal(hub.routes.size, 64)
  assert.ok(hub.routes.has('W99'))
  for (let n = 0; n < 64; n++) leave(`D${n}`, 'drive')
  assert.ok(!hub.routes.has('driver'), 'of drivers alone the oldest')
})

test('of 64 places, viewers that only watch get 48 at most', (t) => {
  const { hub, app } = hubFor(t)
  for (let n = 0; n < 40; n++) app(`W${n}`, 'watch')
  for (let n = 0; n < 8; n++) {
    assert.equal(hub.isFullFor('watch'), false)
    const sessionId = `whep-${n}`
    hub.players.set(sessionId, { deviceId: ROBOT, role: 'watch', sessionId, send() {}, supersede() {} })
  }
  assert.deepEqual([hub.isFullFor('watch'), hub.isFullFor('drive')], [true, false])
  for (let n = 0; n < 16; n++) app(`D${n}`)
  assert.equal(hub.isFullFor('drive'), true)
})
