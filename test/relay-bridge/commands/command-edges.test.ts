import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'

const isAck = ({ type }: Record<string, unknown>) => type === 'command_ack'

test('of 200 driving frames that a service answers, the app is told of one, by the name it used (B05, B06)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  await robot.subscribe(topics.motor, ({ id, name }) =>
    robot.publish(topics.commandResult, { id, name, success: true }),
  )
  const motor = await collect(robot, topics.motor)
  const socket = await relay.robot()
  await link.next(online)
  // on a busy machine the robot may drop a few, as they may be old
  for (let burst = 0; motor.all.length < 200; burst++) {
    for (let i = 0; i < 10; i++)
      socket.send({ command: 'drive', left: 0.5, right: 0.5, id: `d${burst}-${i}` })
    socket.send({ type: 'command', id: `b${burst}` })
    await socket.next(({ id }) => id === `b${burst}`, 10_000)
    assert.ok(burst < 200)
  }
  const isSuccess = (ack: Record<string, unknown>) => isAck(ack) && ack.success === true
  const ack = await socket.next(isSuccess)
  assert.deepEqual([ack.command, ack.success], ['drive', true])
  socket.send({ type: 'command', id: 'last' })
  await socket.next(({ id }) => id === 'last')
  assert.ok(socket.frames.filter((one) => isSuccess(one) && one.command === 'drive').length <= 2)
})

test('256 commands that wait hold up neither driving nor a stop, and no more than 256 wait (B01, B27)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const motor = await collect(robot, topics.motor)
  const socket = await relay.robot()
  await link.next(online)
  for (let i = 0; i < 256; i++) socket.send({ command: `odd${i}`, id: `w${i}` })
  socket.send({ command: 'one_more', id: 'more' })
  const refused = await socket.next(({ id }) => id === 'more')
  assert.match(String(refused.error), /too many commands are waiting/)
  // as a stick does: what is read after a standstill of the process, on a busy machine, moves nothing
  const timer = setInterval(() => socket.send({ command: 'motor', left: 0.5, right: 0.5 }), 100)
  t.after(() => clearInterval(timer))
  assert.equal((await motor.next({ within: 10_000 })).payload.params.left, 0.5)
  clearInterval(timer)
  for (let i = 0; i < 10; i++) socket.send({ command: 'stop', data: { junk: 'x'.repeat(3 * 1024 * 1024) } })
  for (let i = 0; i < 10; i++) await motor.next({ where: ({ params }) => params.left === 0, within: 10_000 })
  const given = await socket.next(({ id }) => id === 'w0')
  assert.match(String(given.error), /it may still happen/)
})

test('a name that a broker would refuse ends no connection, and the next command passes (B09)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const commands = await collect(robot, topics.command)
  const socket = await relay.robot()
  await link.next(online)
  const names = ['a/b', '#', '+', 'nul\0', 'bell\u0007', '\ud800', '\ufdd0', 'x'.repeat(65)]
  for (const [i, command] of names.entries()) {
    socket.send({ command, id: `n${i}`, request_id: 'y'.repeat(1_000) })
    const ack = await socket.next(({ id }) => id === `n${i}`)
    assert.match(String(ack.error), /no such command/)
    assert.equal('request_id' in ack, false, 'what is long is not given back')
    assert.ok(String(ack.command).length <= 64)
  }
  socket.send({ command: 'led_color', r: 1 })
  assert.equal((await commands.next()).payload.name, 'led_color')
  assert.equal(commands.all.length, 1)
})
