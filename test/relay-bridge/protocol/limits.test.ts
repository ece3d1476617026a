import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type WebSocket, WebSocketServer } from 'ws'
import { connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { createLogger } from '#lib/logger.ts'
import { RelaySocket, SOCKET_TIMES } from '#services/relay-bridge/connection/relay-socket.ts'
import { startOpenBroker } from '#test/helpers/broker.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { startCloud } from '../cloud-bridge.ts'

const MiB = 2 ** 20

/** A `RelaySocket` and the other end of it. */
async function openSocket(t: TestContext) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.after(() => server.close())
  await once(server, 'listening')
  const texts: number[] = []
  const unreadable: string[] = []
  const arrived = Promise.withResolvers<[WebSocket]>()
  server.on('connection', (socket: WebSocket) => arrived.resolve([socket]))
  const events = new EventTarget()
  const seen = () => events.dispatchEvent(new Event('seen'))
  const socket = new RelaySocket({
    url: new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`),
    headers: {},
    times: SOCKET_TIMES,
    onDate() {},
    onOpen() {},
    onRegistered() {},
    onText(text) {
      texts.push(text.length)
      seen()
    },
    onUnreadable(kind) {
      unreadable.push(kind)
      seen()
    },
  })
  t.after(() => socket.close(1000, 'test over'))
  const [relay] = await arrived.promise
  const say = async (text: string | Buffer) => {
    const next = once(events, 'seen')
    relay.send(text)
    await next
  }
  return { socket, relay, texts, unreadable, say }
}

/** Bytes held by this process after a collection; the least of a few, since buffers are let go a little later. */
async function held(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) {
    collectGarbage()
    await new Promise((resolve) => setTimeout(resolve, 20))
    const { heapUsed, external } = process.memoryUsage()
    least = Math.min(least, heapUsed + external)
  }
  return least
}

test('frames up to 8 MiB are accepted, larger ones dropped, and the connection stays (A07)', async (t) => {
  const { relay, texts, unreadable, say } = await openSocket(t)
  await say('x'.repeat(8 * MiB))
  assert.deepEqual(texts.splice(0), [8 * MiB])
  const before = await held()
  for (let round = 0; round < 5; round++) {
    for (const size of [9, 15]) await say('x'.repeat(size * MiB))
    await say('small')
  }
  const grown = (await held()) - before
  assert.deepEqual(unreadable, Array(10).fill('too-large'))
  assert.deepEqual(texts, Array(5).fill(5))
  assert.equal(relay.readyState, relay.OPEN)
  t.diagnostic(`120 MiB refused, ${(grown / MiB).toFixed(1)} MiB more held`)
  assert.ok(grown < 30 * MiB, `${grown} bytes more are held`)
})

test('large frames beyond 2 MiB a second are dropped unread, small ones are not', async (t) => {
  const { texts, unreadable, say } = await openSocket(t)
  for (let i = 0; i < 10; i++) await say('x'.repeat(MiB))
  await say('small')
  await sleep(1_000)
  await say('x'.repeat(MiB))
  assert.deepEqual([...new Set(unreadable)], ['too-many-large'])
  assert.ok(unreadable.length >= 1 && texts.length >= 9)
  assert.deepEqual(texts.slice(-2), [5, MiB])
})

test('a stop that is dropped unread for its size still stops the robot', async (t) => {
  const { relay, texts, unreadable, say } = await openSocket(t)
  await say(`{"command":"emergency_stop","data":"${'x'.repeat(9 * MiB)}"}`)
  await say('small')
  assert.deepEqual(unreadable, ['too-large'])
  assert.equal(texts.length, 2)
  assert.equal(relay.readyState, relay.OPEN)
})

test('the limit counts bytes, as the wire does', async (t) => {
  const { texts, unreadable, say } = await openSocket(t)
  await say('ü'.repeat(4 * MiB))
  await say('ü'.repeat(4 * MiB + 1))
  await say(Buffer.alloc(10))
  assert.deepEqual(texts, [4 * MiB])
  assert.deepEqual(unreadable, ['too-large', 'binary'])
})

test('a frame of 8 MiB arrives on the bus, a larger one is logged once (A07)', async (t) => {
  const relay = await fakeRelay(t)
  const { socket, cloud, memory, settled, bridge } = await startCloud(t, relay)
  const frame = { type: 'audio_message', format: 'aac', data: '' }
  const room = 8 * MiB - JSON.stringify(frame).length
  for (const length of [room, room + 1]) socket.send({ ...frame, data: 'A'.repeat(length) })
  const { payload } = await cloud.next({ where: ({ type }) => type === 'audio_message', within: 10_000 })
  assert.equal(String(payload.data).length, room)
  await settled()
  assert.equal(cloud.all.filter(({ params }) => params.type === 'audio_message').length, 1)
  await bridge[Symbol.asyncDispose]()
  const lines = memory.logged.filter(({ msg }) => msg === 'unreadable frames of the relay dropped')
  assert.deepEqual(
    lines.map((line) => line['too-large']),
    [1],
  )
})

test('the broker delivers 8 MiB over TCP to several subscribers', async () => {
  const log = createLogger('test', { write() {} })
  await using stack = new AsyncDisposableStack()
  const { port } = stack.use(await startOpenBroker(log))
  const join = async (service: string) => {
    const url = `mqtt://127.0.0.1:${port}`
    return stack.use(await connectBus({ url, prefix: 'wimz', service, version: '0', log }))
  }
  const bridge = await join('relay-bridge')
  const seen = await Promise.all(
    ['a', 'b'].map(async (name) => await collect(await join(name), topics.cloud)),
  )
  for (let i = 0; i < 3; i++) {
    await bridge.publish(topics.cloud, { data: 'A'.repeat(8 * MiB), i }, { type: 'audio_message' })
  }
  for (const one of seen) {
    for (let i = 0; i < 3; i++) assert.equal((await one.next({ within: 10_000 })).payload.i, i)
  }
})
