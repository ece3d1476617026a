import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as raw from './raw-client.ts'
import { publish, subscribe, unsubscribe } from './raw-client.ts'
import { assertSilent, headOf, hex, RETAINED, stage, subscribeAndLeave, T } from './stage.ts'

const CLOSED = 'closed'

/** Packet id of a PUBLISH of QoS 1 or 2, as hex digits. */
function idOf(packet: string, topic: string): string {
  const end = packet.indexOf(hex(Buffer.from(topic))) + 2 * topic.length
  return packet.slice(end, end + 4)
}

const number = (id: string) => Number.parseInt(id, 16)

test('[MQTT-3.2.2-2] [3.2.2-3] [3.1.3-2] [3.1.4-3] [4.1.0-1] session present: after a session without subscriptions as well', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'bare', clean: false }, 0)
  first.send(raw.DISCONNECT)
  assert.equal(await first.next(), CLOSED)
  const second = await login({ id: 'bare', clean: false }, 1)
  second.send(subscribe(1, [T, 1]), unsubscribe(2, T))
  assert.deepEqual(await second.take(2), [hex(raw.suback(1, 1)), hex(raw.unsuback(2))])
  second.destroy()
  const third = await login({ id: 'bare', clean: false }, 1)
  third.destroy()
  await login({ id: 'bare', clean: true }, 0)
  await login({ id: 'bare', clean: false }, 0)
})

test('[MQTT-3.2.2-4] a rejected login reports no session, even if there is one', async (t) => {
  const { broker, passwordOf } = await stage(t)
  const id = 'vision-stored'
  const first = await raw.dial(t, broker.port)
  first.send(raw.connect({ id, clean: false, username: 'vision', password: passwordOf('vision') }))
  assert.equal(await first.next(), hex(raw.connack()))
  first.send(raw.DISCONNECT)
  const second = await raw.dial(t, broker.port)
  second.send(raw.connect({ id, clean: false, username: 'vision', password: 'wrong' }))
  assert.deepEqual(await second.take(2), [hex(raw.connack(4, 0)), CLOSED])
})

test('[MQTT-3.1.4-5] nothing that follows a rejected CONNECT is processed', async (t) => {
  const { broker, subscriber } = await stage(t)
  const observer = await subscriber(['wimz/event/+', 0])
  const client = await raw.dial(t, broker.port)
  const login = { username: 'vision', password: 'wrong', will: { topic: 'wimz/event/will', payload: 'x' } }
  client.send(raw.connect(login), publish(T, 'x'), subscribe(1, ['#', 0]))
  assert.deepEqual(await client.take(2), [hex(raw.connack(4)), CLOSED])
  await assertSilent(observer)
})

test('[MQTT-3.1.2-7] a retained message outlives the session of its publisher', async (t) => {
  const { login, subscriber } = await stage(t)
  const publisher = await login({ id: 'owner', clean: true })
  publisher.send(publish(RETAINED, 'x', { retain: true }), raw.DISCONNECT)
  assert.equal(await publisher.next(), CLOSED)
  await login({ id: 'owner', clean: true })
  assert.equal(await (await subscriber([RETAINED, 0])).next(), hex(publish(RETAINED, 'x', { retain: true })))
})

test('[MQTT-3.1.2-9] [3.1.2-10] [3.1.2-12] [3.1.2-16] [3.1.2-17] the last will has its QoS and retain flag, and is published once', async (t) => {
  const { login, subscriber } = await stage(t)
  const observer = await subscriber(['wimz/telemetry/+', 2])
  const wills = [
    { topic: 'wimz/telemetry/a', payload: 'kept', qos: 0, retain: true },
    { topic: 'wimz/telemetry/b', payload: 'passing', qos: 1, retain: false },
    { topic: 'wimz/telemetry/c', payload: 'kept', qos: 2, retain: true },
  ]
  for (const [i, will] of wills.entries()) {
    const client = await login({ id: 'mortal', clean: false, will }, i === 0 ? 0 : 1)
    client.destroy()
    assert.equal(headOf(await observer.next(), will.topic), ['30', '32', '34'][i])
  }
  const later = await login({ id: 'mortal', clean: false }, 1)
  later.destroy()
  await assertSilent(observer)
  const late = await subscriber(['wimz/telemetry/+', 0])
  const kept = await late.take(2)
  assert.deepEqual(
    kept.sort(),
    wills
      .filter(({ retain }) => retain)
      .map(({ topic, payload }) => hex(publish(topic, payload, { retain: true }))),
  )
  await assertSilent(late)
})

test('[MQTT-3.3.1-3] the DUP flag of a received message is not passed on', async (t) => {
  const { login, subscriber } = await stage(t)
  const client = await subscriber([T, 1])
  const publisher = await login()
  publisher.send(publish(T, 'x', { qos: 1, id: 7, dup: true }))
  assert.equal(await publisher.next(), hex(raw.puback(7)))
  assert.equal(headOf(await client.next(), T), '32')
})

test('[MQTT-4.3.2-2] after its PUBACK the same packet id is a new message', async (t) => {
  const { login, subscriber } = await stage(t)
  const client = await subscriber([T, 0])
  const publisher = await login()
  publisher.send(publish(T, 'x', { qos: 1, id: 7 }), publish(T, 'x', { qos: 1, id: 7, dup: true }))
  assert.deepEqual(await publisher.take(2), [hex(raw.puback(7)), hex(raw.puback(7))])
  assert.deepEqual(await client.take(2), [hex(publish(T, 'x')), hex(publish(T, 'x'))])
})

test('[MQTT-4.4.0-1] [3.3.1-1] [2.3.1-3] [4.3.2-1] what was not acknowledged is sent again with its packet id and the DUP flag', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'keeper', clean: false })
  first.send(subscribe(1, [T, 2]))
  await first.next()
  const publisher = await login()
  const sent: string[] = []
  for (const qos of [1, 2]) {
    publisher.send(publish(T, String(qos), { qos, id: qos }))
    sent.push(await first.next())
  }
  first.destroy()
  publisher.send(publish(T, '3', { qos: 1, id: 3 }))
  assert.deepEqual(await publisher.take(3), [hex(raw.puback(1)), hex(raw.pubrec(2)), hex(raw.puback(3))])
  const second = await login({ id: 'keeper', clean: false }, 1)
  const again = await second.take(3)
  assert.deepEqual(
    again.map((packet) => headOf(packet, T)),
    ['3a', '3c', '32'],
  )
  assert.deepEqual(
    again.slice(0, 2).map((packet) => idOf(packet, T)),
    sent.map((packet) => idOf(packet, T)),
  )
  assert.ok(!sent.some((packet) => idOf(packet, T) === idOf(again[2] ?? '', T)))
})

test('[MQTT-4.3.3-1] after PUBREC the PUBREL is repeated on the next connection, not the message', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'keeper', clean: false })
  first.send(subscribe(1, [T, 2]))
  await first.next()
  const publisher = await login()
  publisher.send(publish(T, 'x', { qos: 2, id: 2 }))
  const id = number(idOf(await first.next(), T))
  first.send(raw.pubrec(id))
  assert.equal(await first.next(), hex(raw.pubrel(id)))
  first.destroy()
  const second = await login({ id: 'keeper', clean: false }, 1)
  assert.equal(await second.next(), hex(raw.pubrel(id)))
  second.send(raw.pubcomp(id), raw.DISCONNECT)
  assert.equal(await second.next(), CLOSED)
  await assertSilent(await login({ id: 'keeper', clean: false }, 1))
})

test('[MQTT-3.10.4-3] a message that was sent before UNSUBSCRIBE is still completed', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'keeper', clean: false })
  first.send(subscribe(1, [T, 2]))
  await first.next()
  const publisher = await login()
  publisher.send(publish(T, '1', { qos: 1, id: 1 }))
  const one = await first.next()
  publisher.send(publish(T, '2', { qos: 2, id: 2 }))
  const two = await first.next()
  const id = number(idOf(two, T))
  first.send(unsubscribe(2, T), raw.pubrec(id))
  assert.deepEqual((await first.take(2)).sort(), [hex(raw.pubrel(id)), hex(raw.unsuback(2))].sort())
  first.destroy()
  const second = await login({ id: 'keeper', clean: false }, 1)
  const again = await second.take(2)
  assert.equal(idOf(again[0] ?? '', T), idOf(one, T))
  assert.equal(again[1], hex(raw.pubrel(id)))
})

test('[MQTT-4.6.0-2] [4.6.0-3] [4.6.0-4] acknowledgments keep the order of what they acknowledge', async (t) => {
  const { login, subscriber } = await stage(t)
  const client = await login()
  const ids = Array.from({ length: 60 }, (_, i) => 900 - i)
  client.send(...ids.map((id) => publish(T, 'x', { qos: 1, id })))
  assert.deepEqual(
    await client.take(ids.length),
    ids.map((id) => hex(raw.puback(id))),
  )
  const twenty = ids.slice(0, 20)
  client.send(...twenty.map((id) => publish(T, 'x', { qos: 2, id })))
  assert.deepEqual(
    await client.take(twenty.length),
    twenty.map((id) => hex(raw.pubrec(id))),
  )
  const receiver = await subscriber([T, 2])
  const publisher = await login()
  publisher.send(...twenty.map((id) => publish(T, 'x', { qos: 2, id })))
  const received = (await receiver.take(twenty.length)).map((packet) => number(idOf(packet, T))).reverse()
  receiver.send(...received.map((id) => raw.pubrec(id)))
  assert.deepEqual(
    await receiver.take(received.length),
    received.map((id) => hex(raw.pubrel(id))),
  )
})

test('[MQTT-3.8.4-4] [3.10.4-6] several filters in one packet are separate subscriptions with one answer', async (t) => {
  const { login, subscriber } = await stage(t)
  const publisher = await login()
  for (const name of ['a', 'b']) publisher.send(publish(`wimz/telemetry/${name}`, name, { retain: true }))
  publisher.send(raw.PINGREQ)
  await publisher.next()
  const client = await subscriber(['wimz/telemetry/a', 0], ['wimz/telemetry/b', 0])
  const retained = (await client.take(2)).sort()
  assert.deepEqual(
    retained,
    ['a', 'b'].map((name) => hex(publish(`wimz/telemetry/${name}`, name, { retain: true }))),
  )
  client.send(unsubscribe(2, 'wimz/telemetry/a', 'wimz/telemetry/b'))
  assert.equal(await client.next(), hex(raw.unsuback(2)))
  publisher.send(publish('wimz/telemetry/a', 'x'), publish('wimz/telemetry/b', 'x'), raw.PINGREQ)
  await publisher.next()
  await assertSilent(client)
})

test('[MQTT-3.1.2-5] a session stores messages for each of its filters while it is offline', async (t) => {
  const { login } = await stage(t)
  const first = await login({ id: 'keeper', clean: false })
  await subscribeAndLeave(first, ['wimz/event/+', 1])
  const publisher = await login()
  publisher.send(
    publish('wimz/event/a', 'a', { qos: 1, id: 1 }),
    publish('wimz/telemetry/a', 'b', { qos: 1, id: 2 }),
  )
  await publisher.take(2)
  const second = await login({ id: 'keeper', clean: false }, 1)
  assert.equal(headOf(await second.next(), 'wimz/event/a'), '32')
  await assertSilent(second)
})

test('[MQTT-3.10.4-2] SUBSCRIBE, UNSUBSCRIBE and DISCONNECT that arrive together take effect in their order', async (t) => {
  const { login } = await stage(t)
  const client = await login({ id: 'hasty', clean: false })
  client.send(subscribe(1, [T, 1]), unsubscribe(2, T), subscribe(3, [RETAINED, 1]), unsubscribe(4, RETAINED))
  const answers = [raw.suback(1, 1), raw.unsuback(2), raw.suback(3, 1), raw.unsuback(4)]
  assert.deepEqual(await client.take(4), answers.map(hex))
  client.send(subscribe(5, [T, 1]), raw.DISCONNECT)
  assert.deepEqual(await client.take(2), [hex(raw.suback(5, 1)), CLOSED])
  const publisher = await login()
  publisher.send(publish(RETAINED, 'no', { qos: 1, id: 1 }), publish(T, 'yes', { qos: 1, id: 2 }))
  await publisher.take(2)
  const second = await login({ id: 'hasty', clean: false }, 1)
  assert.equal(headOf(await second.next(), T), '32')
  await assertSilent(second)
})

test('[MQTT-4.3.1-1] [2.3.1-5] [3.3.2-3] [4.5.0-1] a QoS 0 message goes to each matching subscriber, without packet id and DUP', async (t) => {
  const { login, subscriber } = await stage(t)
  const matching = [T, 'wimz/event/+', 'wimz/event/#', '+/event/t', 'wimz/event/t/#', '+/+/t']
  const others = ['wimz/event/tt', 'wimz/event/t/+', 'wimz/event', 'wimz/+', 'WIMZ/event/t', '/wimz/event/t']
  const receivers = await Promise.all(matching.map((filter) => subscriber([filter, 2])))
  const silent = await Promise.all(others.map((filter) => subscriber([filter, 2])))
  const publisher = await login()
  publisher.send(publish(T, 'x'))
  for (const receiver of receivers) assert.equal(await receiver.next(), hex(publish(T, 'x')))
  for (const client of [...receivers, ...silent]) await assertSilent(client)
})
