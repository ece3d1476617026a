import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as raw from './raw-client.ts'
import { publish, subscribe, unsubscribe } from './raw-client.ts'
import { assertSilent, headOf, hex, RETAINED, stage, subscribeAndLeave, T } from './stage.ts'

test('[MQTT-3.1.2-4] [3.1.2-5] [3.2.2-2] a session without clean session keeps subscriptions and QoS 1 and 2 messages', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'keeper', clean: false })
  await subscribeAndLeave(first, [T, 2])
  const publisher = await login()
  publisher.send(publish(T, '0'), publish(T, '1', { qos: 1, id: 1 }), publish(T, '2', { qos: 2, id: 2 }))
  assert.deepEqual(await publisher.take(2), [hex(raw.puback(1)), hex(raw.pubrec(2))])
  const second = await login({ id: 'keeper', clean: false }, 1)
  // the order of different QoS is free
  const packets = await second.take(2)
  const found = packets.map((packet) => `${headOf(packet, T)} ${packet.slice(-2)}`)
  assert.deepEqual(found.sort(), ['32 31', '34 32'])
})

test('[MQTT-3.1.2-6] [3.2.2-1] clean session discards the session', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'keeper', clean: false })
  await subscribeAndLeave(first, [T, 1])
  const clean = await login({ id: 'keeper', clean: true })
  clean.send(raw.DISCONNECT)
  assert.equal(await clean.next(), 'closed')
  await login({ id: 'keeper', clean: false }, 0)
})

test('[MQTT-3.1.2-8] [3.14.4-3] the last will is published without a DISCONNECT, and not with one', async (t) => {
  const { login, subscriber } = await stage(t)
  const observer = await subscriber(['wimz/event/+', 0])
  const will = (name: string) => ({ will: { topic: `wimz/event/${name}`, payload: 'gone' } })
  const polite = await login(will('polite'))
  polite.send(raw.DISCONNECT)
  assert.equal(await polite.next(), 'closed')
  const rude = await login(will('rude'))
  rude.destroy()
  assert.equal(await observer.next(), hex(publish('wimz/event/rude', 'gone')))
  const invalid = await login(will('invalid'))
  invalid.send(publish('a\0'))
  assert.equal(await observer.next(), hex(publish('wimz/event/invalid', 'gone')))
  await assertSilent(observer)
})

test('[MQTT-3.1.2-24] a client that is silent for one and a half times its keep alive is disconnected', async (t) => {
  const { login } = await stage(t)
  const client = await login({ keepAlive: 1 })
  assert.equal(await client.next(), 'closed')
})

test('[MQTT-3.1.4-2] a second client with the same id disconnects the first', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'twin' })
  await login({ id: 'twin' })
  assert.equal(await first.next(), 'closed')
})

test('[MQTT-3.3.1-5] to [3.3.1-12] retained messages: stored, replaced, cleared, flagged for new subscriptions alone', async (t) => {
  const { login, subscriber } = await stage(t)
  const early = await subscriber([RETAINED, 0])
  const publisher = await login()
  const retained = (text: string) => publish(RETAINED, text, { retain: true })
  publisher.send(retained('old'), retained('new'), publish(RETAINED, 'passing'), raw.PINGREQ)
  await publisher.next()
  assert.deepEqual(
    await early.take(3),
    ['old', 'new', 'passing'].map((text) => hex(publish(RETAINED, text))),
  )
  const late = await subscriber([RETAINED, 0])
  assert.equal(await late.next(), hex(retained('new')))
  publisher.send(retained(''), raw.PINGREQ)
  await publisher.next()
  assert.equal(await late.next(), hex(publish(RETAINED)))
  await assertSilent(await subscriber([RETAINED, 0]))
})

test('[MQTT-3.3.5-1] overlapping subscriptions deliver once, at their highest QoS', async (t) => {
  const { login, subscriber } = await stage(t)
  const subscribers = [
    await subscriber(['wimz/event/+', 0], [T, 1]),
    await subscriber([T, 1], ['wimz/event/+', 0]),
    await subscriber(['wimz/event/#', 1], ['wimz/event/+', 0]),
  ]
  const publisher = await login()
  publisher.send(publish(T, 'x', { qos: 1, id: 9 }))
  for (const client of subscribers) {
    assert.equal(headOf(await client.next(), T), '32')
    await assertSilent(client)
  }
})

test('[MQTT-3.8.4-6] messages have the lower QoS of publisher and subscription, wildcards included', async (t) => {
  const { login, subscriber } = await stage(t)
  const granted = [
    await subscriber(['wimz/event/#', 0]),
    await subscriber(['wimz/event/+', 1]),
    await subscriber([T, 2]),
  ]
  const publisher = await login()
  publisher.send(publish(T, 'x', { qos: 2, id: 9 }))
  const heads = await Promise.all(granted.map(async (client) => headOf(await client.next(), T)))
  assert.deepEqual(heads, ['30', '32', '34'])
})

test('[MQTT-3.8.4-6] a queued message has the QoS of the subscription', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'keeper', clean: false })
  await subscribeAndLeave(first, ['wimz/event/+', 1])
  const publisher = await login()
  publisher.send(publish(T, 'x', { qos: 2, id: 9 }))
  assert.equal(await publisher.next(), hex(raw.pubrec(9)))
  const second = await login({ id: 'keeper', clean: false }, 1)
  assert.equal(headOf(await second.next(), T), '32')
})

test('[MQTT-3.8.4-3] the same filter again replaces the QoS and repeats the retained messages', async (t) => {
  const { login, subscriber } = await stage(t)
  const publisher = await login()
  publisher.send(publish(RETAINED, 'x', { retain: true }), raw.PINGREQ)
  await publisher.next()
  const client = await subscriber([RETAINED, 0])
  assert.equal(await client.next(), hex(publish(RETAINED, 'x', { retain: true })))
  client.send(subscribe(2, [RETAINED, 1]))
  assert.deepEqual(await client.take(2), [
    hex(raw.suback(2, 1)),
    hex(publish(RETAINED, 'x', { retain: true })),
  ])
  publisher.send(publish(RETAINED, 'y', { qos: 1, id: 3 }))
  assert.equal(headOf(await client.next(), RETAINED), '32')
  await assertSilent(client)
})

test('[MQTT-3.10.4-1] [3.10.4-2] UNSUBSCRIBE ends exactly the named filters', async (t) => {
  const { login, subscriber } = await stage(t)
  const client = await subscriber(['wimz/event/+', 0], ['wimz/telemetry/+', 0])
  client.send(unsubscribe(2, 'wimz/event/+', 'wimz/#'))
  assert.equal(await client.next(), hex(raw.unsuback(2)))
  const publisher = await login()
  publisher.send(publish(T, 'x'), publish('wimz/telemetry/x', 'y'))
  assert.equal(await client.next(), hex(publish('wimz/telemetry/x', 'y')))
})

test('[MQTT-4.3.3-2] a QoS 2 message that is sent twice before its PUBREL is delivered once', async (t) => {
  const { login, subscriber } = await stage(t)
  const client = await subscriber([T, 0])
  const publisher = await login()
  publisher.send(publish(T, 'x', { qos: 2, id: 7 }))
  assert.equal(await publisher.next(), hex(raw.pubrec(7)))
  publisher.send(publish(T, 'x', { qos: 2, id: 7, dup: true }), raw.pubrel(7))
  assert.deepEqual(await publisher.take(2), [hex(raw.pubrec(7)), hex(raw.pubcomp(7))])
  assert.equal(await client.next(), hex(publish(T, 'x')))
  await assertSilent(client)
})

test('[MQTT-4.4.0-1] messages without a PUBACK are sent again on the next connection', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'keeper', clean: false })
  first.send(subscribe(1, [T, 1]))
  await first.next()
  const publisher = await login()
  publisher.send(publish(T, 'x', { qos: 1, id: 9 }))
  assert.equal(headOf(await first.next(), T), '32')
  first.destroy()
  const second = await login({ id: 'keeper', clean: false }, 1)
  const again = await second.next()
  assert.match(headOf(again, T), /^3[2a]$/)
  assert.ok(again.endsWith(hex(Buffer.from('x'))))
})

test('[MQTT-4.6.0-5] [4.6.0-6] messages of one publisher arrive in their order', async (t) => {
  const { login, subscriber } = await stage(t)
  const client = await subscriber([T, 1])
  const publisher = await login()
  const texts = Array.from({ length: 200 }, (_, i) => String(i).padStart(3, '0'))
  publisher.send(...texts.map((text, i) => publish(T, text, { qos: 1, id: i + 1 })))
  const received = await client.take(texts.length)
  assert.deepEqual(
    received.map((packet) => Buffer.from(packet, 'hex').subarray(-3).toString()),
    texts,
  )
})

test('[MQTT-4.7.2-1] a leading wildcard does not match topics that begin with $, and $SYS/# none of Aedes’s own', async (t) => {
  const { login, subscriber } = await stage(t)
  const wide = await subscriber(['#', 0], ['+/broker/uptime', 0])
  const system = await subscriber(['$SYS/#', 0])
  await (await login({ id: 'secret-id' })).send(raw.DISCONNECT)
  const packets = await system.take(10)
  for (const packet of packets) assert.match(Buffer.from(packet, 'hex').toString('latin1'), /\$SYS\/broker\//)
  assert.doesNotMatch(Buffer.from(await wide.next(), 'hex').toString('latin1'), /\$SYS/)
})

test('[MQTT-1.5.3-3] [4.7.3-4] a topic is delivered byte by byte, with BOM and without normalization', async (t) => {
  const { login, subscriber } = await stage(t)
  const client = await subscriber(['wimz/event/#', 0])
  const publisher = await login()
  for (const topic of [
    'wimz/event/\ufeff\u00e9',
    'wimz/event/\ufeffe\u0301',
    'wimz/event//',
    'wimz/event/ ',
  ]) {
    publisher.send(publish(topic, 'x'))
    assert.equal(await client.next(), hex(publish(topic, 'x')))
  }
})
