import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { test } from 'node:test'
import { RetainedQuota } from '#broker/limits/retained-quota.ts'
import { until } from '#dev/harness/until.ts'
import { closing, startUsersBroker, TESTER } from '../users-broker.ts'

test('retained messages are limited in number and bytes', () => {
  const quota = new RetainedQuota({ messages: 3, bytes: 1_003 })
  for (const topic of ['a', 'b', 'c']) assert.ok(quota.store(topic, 300))
  assert.ok(!quota.store('d', 1), 'one topic too many')
  assert.ok(quota.store('a', 400), 'a replacement')
  assert.ok(!quota.store('a', 401), 'one byte too many')
  assert.ok(quota.store('a', 0), 'an empty payload clears it')
  assert.ok(quota.store('d', 400))
  assert.deepEqual([quota.messages, quota.bytes], [3, 1_003])
})

test('clients without a user name share a part of the retained quota', () => {
  const quota = new RetainedQuota({ messages: 10, bytes: 10_000 }, { messages: 2, bytes: 1_000 })
  assert.ok(quota.store('a', 100, true))
  assert.ok(!quota.store('b', 950, true), 'too many bytes for them')
  assert.ok(quota.store('b', 100, true))
  assert.ok(!quota.store('c', 1, true), 'too many topics for them')
  assert.ok(quota.store('c', 5_000))
  assert.ok(quota.store('a', 0, true), 'an empty payload clears it')
  assert.ok(quota.store('d', 100, true))
})

test('packets are limited to 64 KiB before the login, then to broker.limits.max_packet_bytes', async (t) => {
  const { broker, connect } = await startUsersBroker(t, { broker: { limits: { max_packet_bytes: 200_000 } } })
  const client = await connect(TESTER)
  await client.publishAsync('wimz/event/x', Buffer.alloc(190_000), { qos: 1 })
  const before = process.memoryUsage.rss()
  for (const [round, header] of [
    Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), // a CONNECT of 256 MiB
    Buffer.from([0x10, 0x81, 0x80, 0x04]), // of 64 KiB and a byte
  ].entries()) {
    await cutOff(connectTcp(broker.port, '127.0.0.1'), header)
    assert.equal(broker.totals.packets_too_large, round + 1)
  }
  const closed = closing(client)
  client.publish('wimz/event/x', Buffer.alloc(200_001))
  await closed
  assert.equal(broker.totals.packets_too_large, 3)
  assert.ok(process.memoryUsage.rss() - before < 64 * 1024 * 1024)
})

test('packets other than PUBLISH are limited to 64 KiB after the login, too', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const client = await connect()
  const closed = closing(client)
  client.subscribe(Array.from({ length: 10_000 }, (_, i) => `wimz/event/${i}`))
  await closed
  assert.equal(broker.totals.packets_too_large, 1)
})

test('a WebSocket that is not logged in is closed before a large frame is buffered', async (t) => {
  const listeners = [{ type: 'ws', host: '127.0.0.1', port: 0 }]
  const { broker } = await startUsersBroker(t, { broker: { listeners } })
  const port = broker.listeners[1]?.port
  const socket = connectTcp(port ?? 0, '127.0.0.1')
  const upgrade = ['GET / HTTP/1.1', 'Host: x', 'Upgrade: websocket', 'Connection: Upgrade']
  const key = ['Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version: 13', '', '']
  socket.write([...upgrade, ...key].join('\r\n'))
  await once(socket, 'data')
  const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x90, 0, 0, 1, 2, 3, 4]) // a frame of 9 MiB
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(Buffer.concat([header, Buffer.alloc(1024 * 1024)]))
  await closed
  assert.equal(broker.totals.packets_too_large, 1)
})

test('the queue of an offline session keeps the newest messages and counts the dropped ones', async (t) => {
  const queues = { messages: 10, bytes: 10_000, totalBytes: 15_000 }
  const { broker, connect } = await startUsersBroker(t, { queues })
  const names = ['tester-a', 'tester-b']
  for (const clientId of names) {
    const offline = await connect(TESTER, { clientId, clean: false })
    await offline.subscribeAsync('wimz/telemetry/+', { qos: 1 })
    await offline.endAsync()
  }
  const robot = await connect()
  for (let i = 0; i < 25; i++) await robot.publishAsync(`wimz/telemetry/n${i}`, '{}', { qos: 1 })
  await until(() => broker.totals.queued_dropped === 30, { show: () => broker.totals })
  const topics: string[] = []
  await connect(TESTER, { clientId: 'tester-a', clean: false, onTopic: (topic) => void topics.push(topic) })
  await until(() => topics.length >= 10, { show: () => topics })
  assert.deepEqual(
    topics,
    Array.from({ length: 10 }, (_, i) => `wimz/telemetry/n${i + 15}`),
  )
  await robot.publishAsync('wimz/telemetry/big', Buffer.alloc(9_000), { qos: 1 })
  await until(() => topics.includes('wimz/telemetry/big'), { show: () => topics })
})

test('a client has at most 500 subscriptions', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const client = await connect()
  for (let i = 0; i < 500; i += 100) {
    await client.subscribeAsync(Array.from({ length: 100 }, (_, k) => `wimz/event/n${i + k}`))
  }
  await assert.rejects(client.subscribeAsync('wimz/event/one-more'))
  assert.equal(broker.totals.subscribe_refused, 1)
  assert.ok(client.connected)
})

test('$SYS/broker has the topics of Mosquitto, and broker/state the counters', async (t) => {
  const { connect } = await startUsersBroker(t, { reportInterval: 50 })
  const values = new Map<string, string>()
  const observer = await connect(TESTER)
  observer.on('message', (topic, payload) => values.set(topic, String(payload)))
  await observer.subscribeAsync(['$SYS/broker/#', 'wimz/broker/state'])
  const shell = await connect(undefined)
  for (let i = 0; i < 5; i++) await shell.publishAsync('wimz/event/x', '0123456789', { qos: 1 })
  await shell.publishAsync('wimz/command/x', '{}', { qos: 1 })
  const figure = (name: string) => Number(values.get(`$SYS/broker/${name}`))
  await until(() => figure('publish/messages/received') === 5, { show: () => values })
  const refused = () => JSON.parse(values.get('wimz/broker/state') ?? '{}').refused
  await until(() => refused()?.publish_refused === 1, { show: refused })
  await until(() => figure('publish/bytes/received') === 50)
  await until(() => figure('clients/connected') === 2)
  await until(() => figure('clients/maximum') === 2)
  await until(() => figure('subscriptions/count') === 2)
  for (const [name, least] of [
    ['bytes/sent', 1_000],
    ['bytes/received', 100],
    ['messages/sent', 20],
  ] as const) {
    await until(() => figure(name) > least, { show: () => values })
  }
  assert.match(values.get('$SYS/broker/uptime') ?? '', /^\d+ seconds$/)
})

async function cutOff(socket: Socket, bytes: Buffer): Promise<void> {
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
}

test('clients without a user name that take all places do not keep a service out', async (t) => {
  const limits = { max_clients: 12, connections_per_second: 1_000 }
  const { broker, connect } = await startUsersBroker(t, { broker: { limits } })
  const strangers = await Promise.all(Array.from({ length: 12 }, () => connect()))
  const vision = await connect('vision')
  const webrtc = await connect('webrtc')
  assert.ok(vision.connected && webrtc.connected)
  await until(() => strangers.filter(({ connected }) => connected).length === 10)
  assert.equal(broker.totals.connections_too_many, 2)
})
