import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { test } from 'node:test'
import { LoginThrottle, networkOf, throttleKeys } from '#broker/auth/login-throttle.ts'
import { Admission } from '#broker/limits/connection-limiter.ts'
import { RetainedLedger } from '#broker/limits/retained-quota.ts'
import { createLogger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { until } from '#test/helpers/until.ts'
import { closing, startUsersBroker, TESTER } from '../users-broker.ts'

const limits = { max_clients: 100, max_clients_per_address: 10, connections_per_second: 2 }

function counting(now: () => number) {
  const tally = createEventCounter(createLogger('test', { write() {} }), 'test')
  return { tally, admission: new Admission(limits, tally, now) }
}

test('one address has so many connections and no more, this machine as many as there are', () => {
  const { admission, tally } = counting(() => 1e9)
  const leaving = Array.from({ length: 10 }, () => admission.enter('10.0.0.1'))
  assert.equal(admission.enter('10.0.0.1'), undefined)
  assert.equal(tally.totals.connections_too_many_per_address, 1)
  assert.ok(admission.enter('10.0.0.2'))
  for (let i = 0; i < 89; i++) assert.ok(admission.enter('127.0.0.1'), `${i}`)
  assert.equal(admission.enter('127.0.0.1'), undefined)
  assert.equal(tally.totals.connections_too_many, 1)
  for (const leave of leaving) leave?.()
  assert.ok(admission.enter('127.0.0.1'))
})

test('connections of one address may not come too fast', () => {
  let now = 1e9
  const { admission, tally } = counting(() => now)
  for (let i = 0; i < 10; i++) admission.enter('2001:db8::1')?.()
  assert.equal(admission.enter('2001:db8::ffff'), undefined, 'a machine has the whole /64')
  assert.equal(tally.totals.connections_too_fast, 1)
  assert.ok(admission.enter('2001:db8:0:1::1'))
  now += 500
  admission.enter('2001:db8::1')?.()
  assert.equal(admission.enter('2001:db8::1'), undefined)
})

test('strange addresses do not pile up in memory, and wrong passwords wait longer each time', () => {
  let now = 0
  const throttle = new LoginThrottle(() => now)
  const [waits, key]: [number[], string] = [[], throttleKeys('10.0.0.1', 'vision')[0] ?? '']
  for (let i = 0; i < 14; i++) {
    throttle.failed(key)
    waits.push(throttle.wait(key))
  }
  assert.deepEqual(waits, [0, 0, 0, 0, 1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 6e4, 6e4, 6e4, 6e4])
  now += 60_000
  assert.equal(throttle.wait(key), 0)
  for (let i = 0; i < 5_000; i++) throttle.failed(`10.1.${i >> 8}.${i & 255}`)
  throttle.failed(key)
  assert.equal(throttle.wait(key), 0, 'it was forgotten for those that came later')
})

test('IPv6 addresses of one machine are one', () => {
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(networkOf('2001:db8::6'), '2001:db8:0:0::/64')
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(networkOf('::1'), '0:0:0:0::/64')
  assert.equal(networkOf('192.168.1.5'), '192.168.1.5')
})

test('only so much is retained', () => {
  const ledger = new RetainedLedger({ messages: 3, bytes: 1_003 })
  for (const topic of ['a', 'b', 'c']) assert.ok(ledger.take(topic, 300))
  assert.ok(!ledger.take('d', 1), 'one topic more')
  assert.ok(ledger.take('a', 400), 'a new one in place of the old')
  assert.ok(!ledger.take('a', 401), 'one byte more')
  assert.ok(ledger.take('a', 0), 'nothing takes it back')
  assert.ok(ledger.take('d', 400))
  assert.deepEqual([ledger.messages, ledger.bytes], [3, 1_003])
})

test('clients without user name have a share of what is retained, and the states of services the rest', () => {
  const ledger = new RetainedLedger({ messages: 10, bytes: 10_000 }, { messages: 2, bytes: 1_000 })
  assert.ok(ledger.take('a', 100, true))
  assert.ok(!ledger.take('b', 950, true), 'more than their bytes')
  assert.ok(ledger.take('b', 100, true))
  assert.ok(!ledger.take('c', 1, true), 'more than their topics')
  assert.ok(ledger.take('c', 5_000))
  assert.ok(ledger.take('a', 0, true), 'nothing takes it back')
  assert.ok(ledger.take('d', 100, true))
})

test('a packet that is too large is not read: at login 64 KiB, then broker.limits.max_packet_bytes', async (t) => {
  const { broker, connect } = await startUsersBroker(t, { broker: { limits: { max_packet_bytes: 200_000 } } })
  const client = await connect(TESTER)
  await client.publishAsync('wimz/event/x', Buffer.alloc(190_000), { qos: 1 })
  const before = process.memoryUsage.rss()
  for (const [round, header] of [
    Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), // a CONNECT of 256 MiB
    Buffer.from([0x10, 0x81, 0x80, 0x04]), // of 64 KiB and a byte
    Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x7f]), // a length without end [MQTT-2.2.3]
  ].entries()) {
    await cutOff(connectTcp(broker.port, '127.0.0.1'), header)
    assert.equal(broker.totals.packets_too_large, round + 1)
  }
  const closed = closing(client)
  client.publish('wimz/event/x', Buffer.alloc(200_001))
  await closed
  assert.equal(broker.totals.packets_too_large, 4)
  assert.ok(process.memoryUsage.rss() - before < 64 * 1024 * 1024)
})

test('what is no message may have 64 KiB, after the login as well', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const client = await connect()
  const closed = closing(client)
  client.subscribe(Array.from({ length: 10_000 }, (_, i) => `wimz/event/${i}`))
  await closed
  assert.equal(broker.totals.packets_too_large, 1)
})

test('a WebSocket that has not logged in is closed before it has filled memory with a frame', async (t) => {
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

test('places are kept for this machine when strangers take all others', () => {
  const admission = new Admission(
    { max_clients: 10, max_clients_per_address: 100, connections_per_second: 100 },
    createEventCounter(createLogger('broker', { write() {} }), 'refused'),
  )
  for (let i = 0; i < 9; i++) assert.ok(admission.enter('10.0.0.1'))
  assert.equal(admission.enter('10.0.0.1'), undefined)
  assert.ok(admission.enter('127.0.0.1'))
})

test('a session that is away keeps the newest messages, and those that went are counted', async (t) => {
  const queues = { messages: 10, bytes: 10_000, totalBytes: 15_000 }
  const { broker, connect } = await startUsersBroker(t, { queues })
  const names = ['tester-a', 'tester-b']
  for (const clientId of names) {
    const away = await connect(TESTER, { clientId, clean: false })
    await away.subscribeAsync('wimz/telemetry/+', { qos: 1 })
    await away.endAsync()
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

test('no client has more than 500 filters', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const client = await connect()
  for (let i = 0; i < 500; i += 100) {
    await client.subscribeAsync(Array.from({ length: 100 }, (_, k) => `wimz/event/n${i + k}`))
  }
  await assert.rejects(client.subscribeAsync('wimz/event/one-more'))
  assert.equal(broker.totals.subscribe_refused, 1)
  assert.ok(client.connected)
})

test('the figures are told as Mosquitto tells them, and refusals on broker/state', async (t) => {
  const { connect } = await startUsersBroker(t, { reportEvery: 50 })
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
  assert.equal(figure('publish/bytes/received'), 50)
  assert.equal(figure('clients/connected'), 2)
  assert.equal(figure('clients/maximum'), 2)
  assert.equal(figure('subscriptions/count'), 2)
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
