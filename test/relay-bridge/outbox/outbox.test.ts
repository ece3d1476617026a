import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { EVENT_TYPES } from '#bus/events.ts'
import { topics } from '#bus/topics.ts'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { Outbox } from '#services/relay-bridge/outbox/outbox.ts'
import { fakeRelay, type RobotSocket } from '#test/helpers/fake-relay.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { online, startBridge } from '../bridge.ts'

const isEvent = (name: string) => (frame: Record<string, unknown>) => frame.event === name
const numbers = ({ frames }: RobotSocket, name: string) => frames.filter(isEvent(name)).map(({ n }) => n)
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)
const VOLATILE = Object.keys(EVENT_TYPES).filter((name) => EVENT_TYPES[name]?.delivery === 'now')
const isEmpty = { where: ({ outbox }: { outbox: { depth: number } }) => outbox.depth === 0, within: 10_000 }

test('events of an outage arrive in order, once, with their original id and time (I01, I04, I17, A12)', async (t) => {
  const relay = await fakeRelay(t)
  relay.refuse(503)
  const { robot, link } = await startBridge(t, relay)
  const before = Date.now()
  for (let n = 0; n < 30; n++) await robot.publish(topics.event, { n }, { name: 'bark' })
  await link.next({ where: ({ outbox }) => outbox.depth === 30 })
  const after = Date.now()
  relay.refuse(undefined)
  const socket = await relay.robot(10_000)
  await socket.next(({ n }) => n === 29, 10_000)
  assert.deepEqual(numbers(socket, 'bark'), upTo(30))
  const barks = socket.frames.filter(isEvent('bark'))
  assert.equal(new Set(barks.map(({ id }) => id)).size, 30)
  for (const { timestamp } of barks) {
    const at = Date.parse(String(timestamp))
    assert.ok(at >= before && at <= after, String(timestamp))
  }
  await link.next(isEmpty)
})

test('an event is stored until a pong confirms that the relay has read it (I02)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const first = await relay.robot()
  await link.next(online)
  first.answersPings = false
  await robot.publish(topics.event, { n: 0 }, { name: 'alert' })
  const { id } = await first.next(isEvent('alert'))
  first.socket.terminate()
  const second = await relay.robot()
  assert.equal((await second.next(isEvent('alert'))).id, id, 'sent again with the same id')
  await link.next(isEmpty)
  second.socket.terminate()
  const third = await relay.robot()
  await robot.publish(topics.event, { n: 1 }, { name: 'alert' })
  await third.next(({ n }) => n === 1)
  assert.deepEqual(numbers(third, 'alert'), [1], 'a proven event is not sent again')
})

test('volatile events and signaling are never sent later (A09, A10)', async (t) => {
  const relay = await fakeRelay(t)
  relay.refuse(503)
  const { robot, link } = await startBridge(t, relay)
  for (const name of VOLATILE) await robot.publish(topics.event, {}, { name })
  await robot.publish(topics.error, { session_id: 's', code: 'x', error: 'x' })
  await robot.publish(topics.event, {}, { name: 'bark' })
  relay.refuse(undefined)
  const socket = await relay.robot(10_000)
  await socket.next(isEvent('bark'))
  await link.next(isEmpty)
  const names = socket.frames.map(({ event, type }) => event ?? type)
  for (const name of VOLATILE) {
    // the robot's state at a registration is a fresh one
    if (name !== 'status') assert.ok(!names.includes(name), name)
  }
  assert.ok(!names.includes('webrtc_error'))
})

test('events published while the bridge was down are sent later', async (t) => {
  const relay = await fakeRelay(t)
  const memory = await memoryBus(t)
  const dataDir = temporaryFolder(t)
  const { robot, bridge, bus } = await startBridge(t, relay, { memory, dataDir })
  await relay.robot()
  await bridge[Symbol.asyncDispose]()
  await bus[Symbol.asyncDispose]()
  for (let n = 0; n < 50; n++) await robot.publish(topics.event, { n }, { name: 'bark' })
  await robot.publish(topics.event, { n: 0 }, { name: 'detection' })
  await startBridge(t, relay, { memory, dataDir })
  // new events while the old ones are being handed over
  for (let n = 50; n < 100; n++) await robot.publish(topics.event, { n }, { name: 'bark' })
  const socket = await relay.robot(10_000)
  await socket.next(({ n }) => n === 99, 10_000)
  assert.deepEqual(numbers(socket, 'bark'), upTo(100))
  assert.deepEqual(numbers(socket, 'detection'), [], 'a volatile one is not')
})

test('signaling overtakes a backlog', async (t) => {
  const relay = await fakeRelay(t)
  relay.refuse(503)
  const { robot, link } = await startBridge(t, relay, { times: { pong: 120_000 } })
  // 6 MB, and 4 MiB may be under way unproven: without a pong at most 42 events come before the frame
  const filling = 'x'.repeat(100_000)
  for (let n = 0; n < 60; n++) await robot.publish(topics.event, { n, filling }, { name: 'bark' })
  await link.next({ where: ({ outbox }) => outbox.depth === 60, within: 60_000 })
  relay.refuse(undefined)
  const socket = await relay.robot(10_000)
  await socket.next(isEvent('bark'))
  socket.answersPings = false
  const sent = () => numbers(socket, 'bark')
  await until(() => sent().length > 40, { deadline: 60_000, show: () => sent().length })
  await robot.publish(topics.error, { session_id: 's', code: 'x', error: 'overtakes' })
  await socket.next(({ type }) => type === 'webrtc_error')
  assert.ok(sent().length < 60, `${sent().length} events came first`)
  socket.answersPings = true
  socket.send({ type: 'pong' })
  await socket.next(({ n }) => n === 59, 60_000)
  assert.deepEqual(sent(), upTo(60))
})

test('an event over which the relay keeps closing the connection is discarded, and the others arrive', async (t) => {
  const relay = await fakeRelay(t)
  relay.refuse(503)
  const { robot, memory } = await startBridge(t, relay, { cloud: { reconnect_delay: 0.05 } })
  for (const name of ['bark', 'poison', 'alert']) await robot.publish(topics.event, {}, { name })
  relay.refuse(undefined)
  const comesThrough = async () => {
    const socket = await relay.robot(20_000)
    const seen = socket.next(isEvent('alert'), 20_000)
    seen.catch(() => {})
    socket.socket.on('message', (data) => {
      if (data.toString().includes('"event":"poison"')) socket.socket.close(1009)
    })
    const closed = once(socket.socket, 'close').then(() => 'closed')
    return (await Promise.race([seen, closed])) !== 'closed' && !socket.frames.some(isEvent('poison'))
  }
  await until(comesThrough, { deadline: 60_000, show: () => relay.attempts.length })
  assert.ok(memory.logged.some(({ event }) => event === 'poison'))
})

test('an event larger than a frame is rejected and logged, and the others arrive (A07)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, memory } = await startBridge(t, relay)
  const socket = await relay.robot()
  await robot.publish(topics.event, { data: 'x'.repeat(1_100_000) }, { name: 'photo' })
  await robot.publish(topics.event, {}, { name: 'bark' })
  await socket.next(isEvent('bark'))
  assert.ok(!socket.frames.some(isEvent('photo')))
  assert.ok(memory.logged.some((line) => JSON.stringify(line).includes('send files over HTTP')))
})

test('a thread of the outbox that does not answer is reported, so that the process can restart', async (t) => {
  const options = { log: createLogger('test'), pingInterval: 1 }
  const outbox = await Outbox.open(join(temporaryFolder(t), 'outbox.db'), options)
  const failed = once(outbox, 'failed')
  for (let n = 0; n < 2_000; n++) outbox.append('e', `{"n":${n}}`).catch(() => {}) // the pings wait behind these
  const [err] = await failed
  assert.match(err.message, /does not answer/)
  await outbox[Symbol.asyncDispose]()
})

test('the outbox runs in a thread of its own, and rejects requests when it has ended', async (t) => {
  const memory = await memoryBus(t)
  const outbox = await Outbox.open(join(temporaryFolder(t), 'deep', 'outbox.db'), { log: memory.log })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  for (let n = 0; n < 200; n++) await outbox.append('e', `{"n":${n}}`)
  clearInterval(timer)
  assert.ok(turns > 0, 'the event loop was not blocked')
  assert.equal(outbox.counts.depth, 200)
  await outbox[Symbol.asyncDispose]()
  await assert.rejects(outbox.append('e', '{}'), /closed/)
  assert.equal(outbox.closed, true)
})
