import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Frame, type Party, relayFor } from './peers.ts'

const isRequest = ({ type }: Frame) => type === 'snapshot_request'
const isSnapshot = ({ type }: Frame) => type === 'snapshot'

/** All that this app sent so far has been handled, and all that the robot sent has arrived. */
async function settled(app: Party): Promise<void> {
  app.send({ type: 'ping' })
  await app.next(({ type }) => type === 'pong')
}

test('apps share one request at a time, and each snapshot is younger than its request', async (t) => {
  // a machine that is busy is no robot that does not answer
  const relay = await relayFor(t, {}, { snapshot: 60_000 })
  const robot = await relay.robot()
  const [one, two, silent] = [await relay.app('a'), await relay.app('b'), await relay.app('c')]
  one.send({ type: 'snapshot_request' })
  const first = await robot.next(isRequest)
  // too late for the first, whatever it is repeated
  for (let i = 0; i < 50; i++) two.send({ type: 'snapshot_request' })
  await settled(two)
  robot.send({ type: 'snapshot', id: first.id, data: 'AAAA', device_id: 'x' })
  assert.deepEqual(await one.next(isSnapshot), { type: 'snapshot', data: 'AAAA' })
  const second = await robot.next(isRequest)
  assert.notEqual(second.id, first.id)
  assert.ok(!two.frames.some(isSnapshot))
  // late, unrequested and malformed ones go to no app
  for (const frame of [{ id: first.id, data: 'old' }, { data: 'none' }, { id: second.id, data: 7 }])
    robot.send({ type: 'snapshot', ...frame })
  robot.send({ type: 'snapshot', id: second.id, data: 'BBBB' })
  robot.send({ type: 'snapshot', id: second.id, data: 'CCCC' })
  assert.deepEqual(await two.next(isSnapshot), { type: 'snapshot', data: 'BBBB' })
  robot.send({ type: 'network_state', data: {} })
  for (const app of [one, two, silent]) await app.next(({ type }) => type === 'network_state')
  assert.deepEqual(
    [one, two, silent].map(({ frames }) => frames.filter(isSnapshot).length),
    [1, 1, 0],
  )
  assert.equal(robot.frames.filter(isRequest).length, 2)
})

test('a robot that does not answer is asked again, and a new connection of it as well', async (t) => {
  const relay = await relayFor(t, { token: 'drive-token', watch_token: 'watch-token' })
  const robot = await relay.robot()
  const app = await relay.app('a', 'watch-token')
  app.send({ type: 'snapshot_request' })
  const lost = await robot.next(isRequest)
  app.send({ type: 'snapshot_request' })
  const again = await robot.next(isRequest)
  assert.notEqual(again.id, lost.id)
  robot.socket.terminate()
  await app.next(({ type, online }) => type === 'robot_status' && online === false)
  const back = await relay.robot()
  await app.next(({ type, online }) => type === 'robot_status' && online === true)
  app.send({ type: 'snapshot_request' })
  const { id } = await back.next(isRequest)
  back.send({ type: 'snapshot', id, data: 'DDDD' })
  assert.equal((await app.next(isSnapshot)).data, 'DDDD')
})

test('a client without a login gets no pictures', async (t) => {
  const relay = await relayFor(t, { token: 'drive-token' })
  const robot = await relay.robot()
  await assert.rejects(relay.app('a'))
  const app = await relay.app('b', 'drive-token')
  await settled(app)
  assert.ok(!robot.frames.some(isRequest))
})
