import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import type { Frame } from '#services/relay-bridge/protocol/frame.ts'
import { SnapshotForwarder } from '#services/relay-bridge/signaling/snapshot-forwarder.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'

/** A JPEG, as far as the bridge is concerned. */
const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xd9])

test('the relay gets the next frame, with the id of its request', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const requests = await collect(robot, topics.frameRequest)
  const socket = await relay.robot()
  await link.next(online)
  socket.send({ type: 'snapshot_request', id: 7 })
  await requests.next()
  await robot.publish(topics.frame, JPEG)
  const snapshot = await socket.next(({ type }) => type === 'snapshot')
  assert.deepEqual(snapshot, {
    type: 'snapshot',
    device_id: 'wimz_robot_99',
    id: 7,
    data: JPEG.toString('base64'),
  })
})

/** A forwarder, and both of its ends. */
function forwarder(t: TestContext, { denied = false, bufferedBytes = 0, broker = Promise.resolve() } = {}) {
  const sent: Frame[] = []
  const requests: object[] = []
  let subscribers = 0
  let deliver: ((jpeg: Buffer) => void) | undefined
  const bus = {
    async subscribe(_topic: unknown, handler: (jpeg: Buffer) => void) {
      if (denied) throw new Error('denied')
      subscribers++
      deliver = handler
      await broker
      return { [Symbol.dispose]: () => void subscribers-- }
    },
    publish(_topic: unknown, request: object) {
      requests.push(request)
      return Promise.resolve()
    },
  }
  const connection = { bufferedBytes, send: (frame: Frame) => sent.push(frame) > 0 }
  const snapshots = new SnapshotForwarder({
    bus: bus as unknown as Pick<Bus, 'publish' | 'subscribe'>,
    log: createLogger('test', { write: () => {} }),
    deviceId: 'wimz_robot_99',
    connection,
    idleMs: 200,
  })
  t.after(() => snapshots[Symbol.dispose]())
  const request = async (id: number) => {
    const before = requests.length
    snapshots.request({ type: 'snapshot_request', id })
    await until(() => requests.length > before)
  }
  return {
    ...{ snapshots, sent, requests, connection, request },
    frame: (jpeg = JPEG) => deliver?.(jpeg),
    subscribers: () => subscribers,
  }
}

test('frames that were not requested are not sent, and without requests it is not subscribed', async (t) => {
  const { sent, request, frame, subscribers } = forwarder(t)
  await request(1)
  assert.equal(subscribers(), 1)
  for (let i = 0; i < 3; i++) frame()
  assert.deepEqual(
    sent.map(({ id }) => id),
    [1],
  )
  await request(2)
  assert.equal(subscribers(), 1)
  await until(() => subscribers() === 0)
  frame()
  assert.equal(sent.length, 1)
  await request(3)
  frame()
  assert.equal(sent.at(-1)?.id, 3)
})

test('a flood of requests makes one frame, with the newest id', async (t) => {
  const { snapshots, sent, requests, request, frame } = forwarder(t)
  await request(1)
  for (let id = 2; id <= 500; id++) snapshots.request({ type: 'snapshot_request', id })
  frame()
  frame()
  assert.deepEqual(
    sent.map(({ id }) => id),
    [500],
  )
  await until(() => requests.length === 2)
})

test('a frame that is too large, or that would wait in the socket, is dropped', async (t) => {
  const { connection, sent, request, frame } = forwarder(t)
  await request(1)
  frame(Buffer.alloc(701 * 1024))
  await request(2)
  connection.bufferedBytes = 65 * 1024
  frame()
  assert.deepEqual(sent, [])
  connection.bufferedBytes = 0
  await request(3)
  frame(Buffer.alloc(700 * 1024))
  assert.equal(sent.length, 1)
})

test('without the right to subscribe it ends nothing, and asks for no frame', async (t) => {
  const { snapshots, sent, requests } = forwarder(t, { denied: true })
  for (let id = 1; id <= 3; id++) {
    snapshots.request({ type: 'snapshot_request', id })
    await sleep(120)
  }
  assert.deepEqual([sent, requests], [[], []])
})

test('it stops without waiting for a broker, and leaves no subscription', async (t) => {
  const { promise: broker, resolve } = Promise.withResolvers<void>()
  const { snapshots, requests, subscribers } = forwarder(t, { broker })
  snapshots.request({ type: 'snapshot_request', id: 1 })
  await until(() => subscribers() === 1)
  snapshots[Symbol.dispose]()
  resolve()
  await until(() => subscribers() === 0)
  assert.deepEqual(requests, [])
})
