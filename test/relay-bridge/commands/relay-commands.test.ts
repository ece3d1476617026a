import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { ROBOT, relayFor, SECRET } from '../../dev/peers.ts'
import { online, startBridge } from '../bridge.ts'

const HOUR = 3_600_000
const isAck = ({ type }: Record<string, unknown>) => type === 'command_ack'

test('motor, motor_command and drive are one thing, clamped, in order (B05, B11, B16, B23)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const motor = await collect(robot, topics.motor)
  const socket = await relay.robot()
  await link.next(online)
  socket.send({ type: 'command', command: 'motor', left: 0.5, right: 2 })
  socket.send({ type: 'command', command: 'motor_command', data: { left: 0.3, right: -0.05 } })
  socket.send({ command: 'drive', data: { left: '1', right: -1 } })
  const said = [await motor.next(), await motor.next(), await motor.next()].map(({ payload }) => payload)
  assert.deepEqual(
    said.map(({ name, params }) => [name, params.left, params.right]),
    [
      ['motor', 0.5, 0.7],
      ['motor', 0.3, 0],
      ['motor', 0, -0.7],
    ],
  )
  await robot.publish(topics.commandResult, { id: said[2]?.id ?? '', name: 'motor', success: true })
  assert.equal((await socket.next(isAck)).command, 'drive')
})

test('what stops passes every gate: age, future, pace, a full queue (B01, B07, B27)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const [stops, motor] = [
    await collect(robot, topics.command, { name: 'emergency_stop' }),
    await collect(robot, topics.motor),
  ]
  const socket = await relay.robot()
  await link.next(online)
  for (let i = 0; i < 300; i++) socket.send({ command: `unknown_${i}` })
  const nack = await socket.next(isAck)
  assert.match(String(nack.error), /too many commands are waiting/)
  const old = Date.now() - 24 * HOUR
  socket.send({ command: 'emergency_stop', timestamp: old, data: 'nonsense' })
  await stops.next()
  const zero = await motor.next()
  assert.deepEqual([zero.payload.params.left, zero.payload.params.right], [0, 0])
  for (const timestamp of [old, Date.now() + 24 * HOUR]) {
    socket.send({ command: 'motor', left: 0, right: 0.01, timestamp })
    assert.deepEqual((await motor.next()).payload.params.right, 0)
    socket.send({ command: 'motor', left: 0.5, right: 0.5, timestamp })
  }
  socket.send({ command: 'stop' })
  await motor.next()
  assert.equal(
    motor.all.some(({ payload }) => payload.params.left !== 0),
    false,
  )
})

test('a refused command is told why, with what the app sent to know it by', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay, {
    cloud: { command_limits: { treats: { burst: 1, per_minute: 6 } } },
  })
  const treats = await collect(robot, topics.command, { name: 'treat' })
  const socket = await relay.robot()
  await link.next(online)
  socket.send({ command: 'treat', id: 'a', timestamp: 1_700_000_000 })
  const stale = await socket.next(isAck)
  assert.deepEqual(
    [stale.success, stale.id, stale.command, stale.timestamp],
    [false, 'a', 'treat', 1_700_000_000],
  )
  assert.match(String(stale.error), /too old/)
  socket.send({ command: 'treat', request_id: 7, timestamp: { when: 'now' } })
  await treats.next()
  socket.send({ command: 'treat', id: 'c' })
  const often = await socket.next(isAck)
  assert.match(String(often.error), /again in \d+ s/)
  assert.equal(treats.all.length, 1)
  socket.send({ type: 'command' })
  assert.equal((await socket.next(isAck)).command, 'unknown')
  socket.send({ command: 'a/b', id: 'd' })
  assert.equal((await socket.next(({ id }) => id === 'd')).success, false)
})

test('whatever an app sends, and a service answers, the answer does not end the connection with the relay', async (t) => {
  const { app: openApp, relay: local } = await relayFor(t)
  const url = `ws://127.0.0.1:${local.port}/ws/device`
  const { robot, link } = await startBridge(
    t,
    { url },
    { cloud: { device_id: ROBOT, device_secret: SECRET } },
  )
  await link.next(online)
  const app = await openApp('S')
  // docs/relay-protocol.md, frames: for each of these the relay in the cloud closes the connection, or that of the app
  const odd = { event: 5, n: '\ud800', status: { x: [1e308, null] } }
  app.send({ command: 'ping', ...odd })
  const pong = await app.next(({ type, n }) => type === 'pong' && n !== undefined)
  assert.deepEqual([pong.event, pong.n], [undefined, '\ufffd'])
  app.send({ command: 'ping', event: 'schedule_created', data: 7, id: 'x' })
  await app.next(({ type, id }) => type === 'pong' && id === 'x')
  app.send({ command: 'a/\ud800', id: '\udfff' })
  const refused = await app.next(({ type }) => type === 'command_ack')
  assert.deepEqual([refused.command, refused.id], ['a/\ufffd', '\ufffd'])
  const commands = await collect(robot, topics.command, { name: 'led' })
  app.send({ type: 'command', command: 'led', id: 'led-1', data: {} })
  const { id } = (await commands.next()).payload
  await robot.publish(topics.commandResult, { id, name: 'led', success: true, event: { x: 1 }, device_id: 3 })
  const ack = await app.next(({ type, id }) => type === 'command_ack' && id === 'led-1')
  assert.deepEqual([ack.success, ack.event, ack.device_id], [true, undefined, ROBOT])
  const states = link.all.map(({ payload }) => payload.connected)
  assert.ok(states.slice(states.indexOf(true)).every(Boolean), `${states}`)
})
