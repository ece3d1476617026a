import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AedesPublishPacket } from 'aedes'
import { LargePackets } from '#broker/limits/large-packets.ts'
import { topics } from '#bus/topics.ts'
import { until } from '#dev/harness/until.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { startUsersBroker } from '../users-broker.ts'
import * as raw from './raw-client.ts'

const CONNACK = '20020000'

test('a last will of QoS 3, and topics with NUL, reach no subscriber: events go on', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const received: string[] = []
  const id = { clientId: 'relay-bridge-inbox-wimz', clean: false }
  const bridge = await connect('relay-bridge', { ...id, onTopic: (topic) => received.push(topic) })
  await bridge.subscribeAsync('wimz/event/+', { qos: 1 })
  for (const packet of [
    raw.connect({ id: 'w', will: { topic: 'wimz/event/w', payload: 'x', qos: 3 } }),
    raw.connect({ id: 'w', will: { topic: 'wimz/event/#', payload: 'x', qos: 1 } }),
    raw.connect({ id: 'w', will: { topic: 'wimz/event/a\0', payload: 'x', qos: 1 } }),
    Buffer.concat([raw.connect(), raw.publish('wimz/event/a\0b', '{}', { qos: 1 })]),
  ]) {
    const client = await raw.dial(t, broker.port)
    client.send(packet)
    const answer = await client.next()
    // the CONNECT may be accepted before the PUBLISH behind it is read
    assert.equal(answer === CONNACK ? await client.next() : answer, 'closed')
  }
  assert.equal(broker.totals.packets_invalid, 4)
  const robot = await connect()
  await robot.publishAsync('wimz/event/bark', '{}', { qos: 1 })
  await until(() => received.length === 1)
  assert.ok(bridge.connected)
  assert.deepEqual(received, ['wimz/event/bark'])
})

test('a queue that already holds an undeliverable message is delivered without it', async (t) => {
  const memory = await memoryBus(t)
  const robot = await memory.connect('robot', { announce: false })
  const keeper = await memory.connect('keeper', { announce: false })
  const first = await keeper.subscribeDurably(topics.event, () => Promise.resolve())
  await first[Symbol.asyncDispose]()
  const publish = (topic: string, qos: number) =>
    new Promise<void>((resolve) => {
      const packet = {
        cmd: 'publish',
        topic,
        qos: qos as 1,
        payload: Buffer.from('{}'),
        retain: false,
        dup: false,
      }
      memory.broker.aedes.publish(packet as AedesPublishPacket, () => resolve())
    })
  await publish('wimz/event/a\0b', 1)
  await publish('wimz/event/+', 1)
  await robot.publish(topics.event, { n: 1 }, { name: 'bark' })
  const received: unknown[] = []
  memory.use(await keeper.subscribeDurably(topics.event, async (payload) => void received.push(payload)))
  await until(() => received.length === 1)
  assert.deepEqual(received, [{ n: 1 }])
  assert.equal(memory.broker.totals.messages_undeliverable, 2)
  await until(() => memory.broker.sources.queued().messages === 0)
})

test('incomplete large packets have a limit in total, and a lower one without a user name', () => {
  const MiB = 1024 * 1024
  const packets = new LargePackets()
  const track = () => packets.track(() => {})
  const anonymous = Array.from({ length: 3 }, track)
  assert.deepEqual(
    anonymous.map((packet) => packet.begin(6 * MiB, true)),
    [true, true, false],
  )
  const users = Array.from({ length: 6 }, track)
  assert.deepEqual(
    users.map((packet) => packet.begin(9 * MiB, false)),
    [true, true, true, true, true, false],
  )
  assert.ok(track().begin(1_000, true), 'small packets are free')
  for (const packet of [...anonymous, ...users]) packet.end()
  assert.ok(track().begin(10 * MiB, true))
})

test('[MQTT-4.8.0-2] QoS 2 messages without a PUBREL are limited per session, not per connection', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  let id = 0
  for (let round = 0; round < 5; round++) {
    const client = await raw.dial(t, broker.port)
    client.send(raw.connect({ id: 'hoarder', clean: false }))
    await client.next()
    for (let i = 0; i < 20; i++) {
      client.send(raw.publish('wimz/event/x', 'x', { qos: 2, id: ++id }))
      assert.equal(await client.next(), raw.pubrec(id).toString('hex'))
    }
    client.destroy()
  }
  const client = await raw.dial(t, broker.port)
  client.send(raw.connect({ id: 'hoarder', clean: false }))
  await client.next()
  client.send(raw.publish('wimz/event/x', 'x', { qos: 2, id: ++id }))
  assert.equal(await client.next(), 'closed')
  await connect()
})
