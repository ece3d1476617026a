import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { createLogger } from '#lib/logger.ts'
import { ActuatorLimits, CommandLimits } from '#services/relay-bridge/commands/actuators.ts'
import { whyStale } from '#services/relay-bridge/commands/command-age.ts'
import { PendingCommands } from '#services/relay-bridge/commands/pending-commands.ts'
import { RelayClock } from '#services/relay-bridge/connection/relay-clock.ts'
import { collect } from '#test/helpers/collect.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'

const HOUR = 3_600_000
const log = createLogger('test', { write() {} })
const at = (ms: number, byRelay = false) => ({ age: () => ({ ms, byRelay }) })
const isAck = ({ type }: Record<string, unknown>) => type === 'command_ack'

test('old commands and those from the future are refused, by what they move (A09, A16, B10)', () => {
  assert.equal(whyStale('led', 1, at(29_000)), undefined)
  assert.match(whyStale('led', 1, at(31_000)) ?? '', /too old/)
  assert.match(whyStale('dispense_treat', 1, at(5_100)) ?? '', /too old/)
  assert.equal(whyStale('drive', 1, at(1_500)), undefined)
  assert.match(
    whyStale('drive', 1, at(1_500, true)) ?? '',
    /too old/,
    'tighter when the relay tells the time',
  )
  const unsure = { age: () => ({ ms: 1_500, byRelay: true, error: 600 }) }
  assert.equal(whyStale('drive', 1, unsure), undefined, 'the clock may be wrong')
  assert.match(whyStale('led', 1, at(-6_000)) ?? '', /future/)
  assert.equal(whyStale('led', undefined, at(HOUR)), undefined, 'no time, no age')
  assert.equal(whyStale('led', 1, { age: () => undefined }), undefined, 'nobody knows the time')
})

test('the relay’s time counts, whatever the own clock says, and a wrong clock alone refuses nothing (B03, B08)', () => {
  let own = { now: Date.now() - 15 * HOUR, synchronized: false }
  const clock = new RelayClock(log, () => own)
  assert.equal(clock.age(Date.now()), undefined)
  own = { now: Date.now(), synchronized: true }
  assert.ok(Math.abs(clock.age(Date.now() - 10_000)?.ms ?? 0) - 10_000 < 1_000)
  clock.setFromDate(new Date(Date.now() + 15 * HOUR).toUTCString())
  own = { now: 0, synchronized: false }
  const age = clock.age(Date.now() + 15 * HOUR - 10_000)
  assert.equal(age?.byRelay, true)
  assert.ok(Math.abs((age?.ms ?? 0) - 10_000) < 2_000, `${age?.ms}`)
  clock.setFromDate('yesterday')
  clock.setFromDate(new Date(Date.now() + 99 * HOUR).toUTCString(), 3_000)
  const slow = clock.age(Date.now())?.error ?? 0
  assert.ok(slow >= 2_000 && slow < 2_100, `a slow answer is not exact: ${slow}`)
  assert.equal(clock.age(Date.now())?.byRelay, true)
})

test('each actuator has its own pace, and driving none (B18, B12)', () => {
  const limits = new ActuatorLimits(CommandLimits.parse({ treats: { per_minute: 6, burst: 2 } }))
  assert.equal(limits.waitFor('treat', {}, 0), undefined)
  assert.equal(limits.waitFor('dispense_treat', {}, 0), undefined)
  assert.equal(limits.waitFor('treat', {}, 0), 10_000)
  assert.equal(limits.waitFor('treat', {}, 9_999), 1)
  assert.equal(limits.waitFor('treat', {}, 10_001), undefined)
  for (let i = 0; i < 1_000; i++) assert.equal(limits.waitFor('motor', {}, 0), undefined)
  assert.equal(limits.waitFor('led', {}, 0), undefined)
})

test('what was accepted is told twice, everything else once, and a late result never (B06, B21)', () => {
  const acks: unknown[] = []
  const pending = new PendingCommands((command, _echo, { success }) => acks.push([command, success]))
  const treat = pending.add('treat', {})
  pending.answered(treat, { success: true, accepted: true })
  pending.answered(treat, { success: false, error: 'jammed' })
  pending.answered(treat, { success: true })
  pending.answered('made-up', { success: true })
  assert.deepEqual(acks, [
    ['treat', true],
    ['treat', false],
  ])
  pending.add('led', {})
  pending.end('the robot stops')
  assert.deepEqual(acks.at(-1), ['led', false])
})

test('a driver hears that nobody takes the commands while still driving, and not at every frame (B05)', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const acks: string[] = []
  const pending = new PendingCommands((command, _echo, { success }) => acks.push(`${command} ${success}`))
  for (let i = 0; i < 500; i++) {
    pending.addDrive('motor', {})
    t.mock.timers.tick(20)
  }
  assert.ok(acks.includes('motor false'))
  assert.ok(acks.length <= 2, acks.join())
  assert.equal(pending.isFull, false)
  // a service that takes its time is heard nevertheless
  const asked = Array.from({ length: 5 }, () => pending.addDrive('drive', {}))
  pending.answered(asked[0] ?? '', { success: true })
  assert.equal(acks.at(-1), 'drive true')
  pending.end('x')
})

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
