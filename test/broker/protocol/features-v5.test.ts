import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { startUsersBroker } from '../users-broker.ts'
import * as raw from './raw-client.ts'
import { assertSilent, hex, RETAINED, T } from './stage.ts'
import { bytesOf, idOf, settle, stage5 } from './stage-v5.ts'
import {
  ack5,
  connect5,
  NO_LOCAL,
  type Properties,
  publish5,
  RETAIN_AS_PUBLISHED,
  retainHandling,
  suback5,
  subscribe5,
  unsubscribe5,
} from './v5-packets.ts'

const CLOSED = 'closed'
const NEVER = 0xffff_ffff

test('[MQTT 5: 3.2.2-16, 3.1.3-6, 3.1.3-7, 3.2.2-9] the CONNACK has what the broker decides: assigned id, keep alive, limits', async (t) => {
  const { broker } = await startUsersBroker(t)
  const client = await raw.dial(t, broker.port)
  client.send(connect5({ keepAlive: 0, properties: { sessionExpiry: NEVER } }))
  const connack = bytesOf(await client.next())
  const text = connack.toString('latin1')
  assert.match(text, /aedes_[0-9a-f-]{36}/, 'assigned client identifier')
  assert.ok(connack.includes(Buffer.from([0x13, 0x07, 0x08])), 'server keep alive of 1,800 s')
  assert.ok(
    connack.includes(Buffer.from([0x11, 0, 0, 0x0e, 0x10])),
    'session expiry of an hour without a user name',
  )
  assert.ok(connack.includes(Buffer.from([0x21, 0, 100])), 'receive maximum')
  assert.ok(connack.includes(Buffer.from([0x2a, 0])), 'no shared subscriptions')
  assert.ok(!connack.includes(Buffer.from([0x22])), 'no topic alias maximum')
})

test('[MQTT 5: 3.3.2-4, 3.3.2-15, 3.3.2-16, 3.3.2-17, 3.3.2-18, 3.3.2-20] properties of a message are passed on unaltered and in their order', async (t) => {
  const { login, subscriber, broker } = await stage5(t)
  const observer = await subscriber([[T, 0]])
  const old = await raw.dial(t, broker.port)
  old.send(raw.connect(), raw.subscribe(1, [T, 0]))
  await old.take(2)
  const properties: Properties = {
    payloadFormat: 1,
    contentType: 'text/plain',
    responseTopic: 'a/b',
    correlation: Buffer.from([0, 255]),
    user: [
      ['b', '1'],
      ['2', 'x'],
      ['a', '2'],
      ['1', 'y'],
      ['b', '3'],
      ['__proto__', '4'],
      ['', ''],
    ],
  }
  const publisher = await login()
  publisher.send(publish5(T, 'x', { properties }))
  assert.equal(await observer.next(), hex(publish5(T, 'x', { properties })))
  assert.equal(await old.next(), hex(raw.publish(T, 'x')))
})

test('[MQTT 5: 3.3.2-5] a retained message expires', async (t) => {
  const { login, subscriber } = await stage5(t)
  const publisher = await login()
  await settle(publisher, publish5(RETAINED, 'old', { retain: true, properties: { expiry: 1 } }))
  const early = await subscriber([[RETAINED, 0]])
  assert.ok(bytesOf(await early.next()).includes('old'))
  const sentAt = Date.now()
  await until(() => Date.now() - sentAt > 1_100)
  await assertSilent(await subscriber([[RETAINED, 0]]))
})

for (const persistent of [false, true]) {
  test(`[MQTT 5: 3.3.4-9, 4.9.0-1, 4.9.0-2, 4.9.0-3, 3.3.4-10] receive maximum, ${persistent ? 'stored' : 'temporary'} session`, async (t) => {
    const { login, subscriber } = await stage5(t)
    const options = { id: 'slow', properties: { receiveMaximum: 2, sessionExpiry: persistent ? 100 : 0 } }
    const client = await subscriber([[T, 2]], {}, options)
    const publisher = await login()
    for (const [i, text] of ['a', 'b', 'c', 'd', 'e'].entries()) {
      await settle(publisher, publish5(T, text, { qos: 1 + (i % 2), id: i + 1 }))
    }
    const [first = '', second = ''] = await client.take(2)
    assert.ok(first.endsWith('61') && second.endsWith('62'))
    await assertSilent(client)
    client.send(raw.puback(idOf(first, T)))
    const third = await client.next()
    assert.ok(third.endsWith('63'))
    client.send(raw.pubrec(idOf(second, T)))
    assert.match(await client.next(), /^62/)
    await assertSilent(client)
    client.send(raw.pubcomp(idOf(second, T)))
    const fourth = await client.next()
    assert.ok(fourth.endsWith('64'))
    client.send(ack5(0x50, idOf(fourth, T), 0x80))
    const fifth = await client.next()
    assert.ok(fifth.endsWith('65'))
    if (!persistent) return
    client.destroy()
    // what was sent is repeated within the maximum [MQTT-4.4.0-1]
    const again = await login(
      { ...options, clean: false, properties: { receiveMaximum: 1, sessionExpiry: 100 } },
      1,
    )
    const repeated = await again.next()
    assert.match(repeated, /^3a.*63$/)
    await assertSilent(again)
    again.send(raw.puback(idOf(repeated, T)))
    assert.match(await again.next(), /^3a.*65$/)
  })
}

test('[MQTT 5: 3.1.2-24, 3.1.2-25] a message above the maximum packet size is discarded', async (t) => {
  const { login, subscriber, broker } = await stage5(t)
  const client = await subscriber(
    [[T, 1]],
    {},
    { id: 'small', properties: { maximumSize: 60, sessionExpiry: 100 } },
  )
  const publisher = await login()
  const big = 'x'.repeat(60)
  await settle(
    publisher,
    publish5(T, big),
    publish5(T, big, { qos: 1, id: 1 }),
    publish5(T, 'fits', { qos: 1, id: 2 }),
  )
  assert.ok((await client.next()).endsWith(hex(Buffer.from('fits'))))
  assert.equal(broker.totals.messages_too_large, 2)
  client.send(publish5('wimz/command/with-a-long-name', '', { qos: 1, id: 3 }))
  assert.equal(await client.next(), hex(ack5(0x40, 3, 0x87)))
})

test('[MQTT 5: 3.1.2-29] without request problem information there is no reason string', async (t) => {
  const { login } = await stage5(t)
  const client = await login({ properties: { problemInformation: 0 } })
  client.send(publish5('wimz/command/x', '', { qos: 1, id: 3 }))
  assert.equal(await client.next(), hex(ack5(0x40, 3, 0x87)))
})

test('[MQTT 5: 3.3.4-2, 3.3.4-3, 3.3.4-4] overlapping subscriptions: one message with the identifiers of all', async (t) => {
  const { login, subscriber } = await stage5(t)
  const client = await subscriber(
    [[T, 1]],
    { identifier: 1 },
    { id: 'both', properties: { sessionExpiry: 100 } },
  )
  client.send(
    subscribe5(2, [['wimz/event/+', 0]], { identifier: 300 }),
    subscribe5(3, [['wimz/#', retainHandling(2)]]),
  )
  await client.take(2)
  const publisher = await login()
  for (const [qos, first] of [
    [1, 0x32],
    [0, 0x30],
  ] as const) {
    await settle(publisher, publish5(T, 'x', { qos, id: 1 }))
    const packet = bytesOf(await client.next())
    assert.equal(packet[0], first)
    assert.ok(packet.includes(Buffer.from([0x0b, 1])) && packet.includes(Buffer.from([0x0b, 0xac, 0x02])))
  }
  await assertSilent(client)
})

test('[MQTT 5: 3.8.3-3] no local: the own messages do not come back, also not from the queue', async (t) => {
  const { login, subscriber } = await stage5(t)
  const options = { id: 'loop', properties: { sessionExpiry: 100 } }
  const client = await subscriber(
    [
      [T, 1 | NO_LOCAL],
      ['wimz/telemetry/x', 0],
    ],
    {},
    options,
  )
  await settle(client, publish5(T, 'own', { qos: 1, id: 1 }), publish5(T, 'own'))
  client.send(publish5('wimz/telemetry/x', 'own'))
  assert.ok((await client.next()).endsWith(hex(Buffer.from('own'))))
  await settle(await login(), publish5(T, 'other', { qos: 1, id: 1 }))
  assert.ok((await client.next()).endsWith(hex(Buffer.from('other'))))
  await assertSilent(client)
})

test('[MQTT 5: 3.3.1-9, 3.3.1-10, 3.3.1-11, 3.3.1-12, 3.3.1-13, 3.8.4-3, 3.8.4-4] retain handling and retain as published', async (t) => {
  const { login, subscriber } = await stage5(t)
  const publisher = await login()
  const retained = publish5(RETAINED, 'kept', { retain: true })
  await settle(publisher, retained)
  const client = await subscriber([[RETAINED, retainHandling(2)]])
  await assertSilent(client)
  client.send(subscribe5(2, [[RETAINED, retainHandling(1)]]))
  assert.equal(await client.next(), hex(suback5(2, 0)))
  await assertSilent(client)
  client.send(subscribe5(3, [[RETAINED, RETAIN_AS_PUBLISHED]]))
  assert.deepEqual(await client.take(2), [hex(suback5(3, 0)), hex(retained)])
  client.send(unsubscribe5(4, RETAINED), subscribe5(5, [[RETAINED, retainHandling(1) | RETAIN_AS_PUBLISHED]]))
  assert.equal((await client.take(3))[2], hex(retained))
  const plain = await subscriber([[RETAINED, retainHandling(2)]])
  await settle(publisher, retained, publish5(RETAINED, 'passing'))
  assert.deepEqual(await client.take(2), [hex(retained), hex(publish5(RETAINED, 'passing'))])
  assert.equal(await plain.next(), hex(publish5(RETAINED, 'kept')))
})

test('[MQTT 5: 3.3.4-7] more QoS 2 messages than the receive maximum end the connection with the reason', async (t) => {
  const { login } = await stage5(t)
  const client = await login({ id: 'hoarder' })
  for (let id = 1; id <= 100; id++) {
    client.send(publish5(T, '', { qos: 2, id }))
    await client.next()
  }
  client.send(publish5(T, '', { qos: 2, id: 101 }))
  assert.match(await client.next(), /^e0..?93/)
  assert.equal(await client.next(), CLOSED)
})
