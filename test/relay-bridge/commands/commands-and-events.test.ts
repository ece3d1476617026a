import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'

test('a command becomes a message on the bus and its result the acknowledgment', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  await robot.subscribe(
    topics.command,
    ({ id, name, params }) =>
      robot.publish(topics.commandResult, { id, name, success: true, dispensed: params.count }),
    { name: 'dispense_treat' },
  )
  const socket = await relay.robot()
  await link.next(online)
  socket.send({ type: 'command', command: 'dispense_treat', data: { count: 2 }, id: 'r1' })
  assert.deepEqual(await socket.next(({ type }) => type === 'command_ack'), {
    type: 'command_ack',
    device_id: 'wimz_robot_99',
    command: 'dispense_treat',
    success: true,
    dispensed: 2,
    id: 'r1',
  })
  socket.send({ type: 'command' })
  assert.equal((await socket.next(({ type }) => type === 'command_ack')).success, false)
})

test('an event of any service goes out in its envelope, flat and in data', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const socket = await relay.robot()
  await link.next(online)
  await robot.publish(topics.event, { emotion: 'happy', id: 'mine', type: 'event' }, { name: 'bark' })
  const frame = await socket.next(({ event }) => event === 'bark')
  assert.match(String(frame.id), /^[0-9a-f]{32}$/)
  assert.match(String(frame.timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  assert.equal(frame.emotion, 'happy')
  assert.deepEqual(frame.data, { emotion: 'happy', id: 'mine', type: 'event' })
  assert.equal('type' in frame, false)
})
