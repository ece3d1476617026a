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
