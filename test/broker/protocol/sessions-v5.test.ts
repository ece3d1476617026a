import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import type { RawClient } from './raw-client.ts'
import * as raw from './raw-client.ts'
import { assertSilent, hex, T } from './stage.ts'
import { bytesOf, idOf, settle, stage5 } from './stage-v5.ts'
import { ack5, disconnect5, type Properties, publish5 } from './v5-packets.ts'

const CLOSED = 'closed'

test('[MQTT 5: 3.3.2-5, 3.3.2-6, 3.1.2-23] a message expires in the queue of a session, and has the rest of its time otherwise', async (t) => {
  const { login, subscriber } = await stage5(t)
  const id = { id: 'keeper', properties: { sessionExpiry: 100 } }
  const first = await subscriber([[T, 1]], {}, id)
  first.send(disconnect5(0))
  assert.equal(await first.next(), CLOSED)
  const publisher = await login()
  await settle(
    publisher,
    publish5(T, 'dies', { qos: 1, id: 1, properties: { expiry: 1 } }),
    publish5(T, 'zero', { qos: 1, id: 2, properties: { expiry: 0 } }),
    publish5(T, 'lives', { qos: 1, id: 3, properties: { expiry: 60 } }),
  )
  const sentAt = Date.now()
  await until(() => Date.now() - sentAt > 1_100)
  const second = await login({ ...id, clean: false }, 1)
  const packet = bytesOf(await second.next())
  assert.ok(packet.includes('lives'))
  const expiry = packet.readUInt32BE(packet.indexOf(Buffer.from([5, 2, 0, 0])) + 2)
  assert.ok(expiry >= 30 && expiry < 60, `${expiry}`)
  await assertSilent(second)
})

test('[MQTT 5: 4.1.0-2, 3.1.2-4, 3.1.2-5, 3.1.2-6, 3.2.2-2, 3.2.2-3, 3.1.4-4] a session lives as long as its expiry interval', async (t) => {
  const { login } = await stage5(t)
  const leave = async (client: RawClient, farewell = disconnect5(0)) => {
    client.send(farewell)
    assert.equal(await client.next(), CLOSED)
  }
  await leave(await login({ id: 'a', clean: false }))
  await leave(await login({ id: 'a', clean: false, properties: { sessionExpiry: 100 } }, 0))
  await leave(await login({ id: 'a', clean: false, properties: { sessionExpiry: 100 } }, 1))
  await leave(await login({ id: 'a', clean: true, properties: { sessionExpiry: 100 } }, 0))
  await leave(await login({ id: 'a', clean: false, properties: { sessionExpiry: 1 } }, 1))
  const leftAt = Date.now()
  await until(() => Date.now() - leftAt > 1_200)
  await leave(await login({ id: 'a', clean: false, properties: { sessionExpiry: 100 } }, 0))
  const last = await login({ id: 'a', clean: false, properties: { sessionExpiry: 100 } }, 1)
  await leave(last, disconnect5(0, { sessionExpiry: 0 }))
  await login({ id: 'a', clean: false }, 0)
})

test('a session that is resumed without an expiry interval still gets its queue', async (t) => {
  const { login, subscriber } = await stage5(t)
  const first = await subscriber([[T, 1]], {}, { id: 'keeper', properties: { sessionExpiry: 100 } })
  first.send(disconnect5(0))
  assert.equal(await first.next(), CLOSED)
  await settle(await login(), publish5(T, 'kept', { qos: 1, id: 1 }))
  const second = await login({ id: 'keeper', clean: false }, 1)
  assert.ok(bytesOf(await second.next()).includes('kept'))
})

test('[MQTT 5: 3.1.2-8, 3.1.2-7, 3.1.2-10, 3.1.3-9] a will waits for its delay, is withdrawn by a new connection, and comes at the end of the session', async (t) => {
  const { login, subscriber } = await stage5(t)
  const observer = await subscriber([['wimz/event/+', 0]])
  const will = (name: string, willDelay: number) => ({
    id: name,
    will: {
      topic: `wimz/event/${name}`,
      payload: 'gone',
      properties: { willDelay, user: [['k', 'v']] as [string, string][] },
    },
  })
  const expected = (name: string) =>
    hex(publish5(`wimz/event/${name}`, 'gone', { properties: { user: [['k', 'v']] } }))
  const back = await login({ ...will('back', 1), properties: { sessionExpiry: 100 } })
  back.destroy()
  await login({ id: 'back', clean: false, properties: { sessionExpiry: 100 } }, 1)
  const delayed = await login({ ...will('delayed', 1), properties: { sessionExpiry: 100 } })
  delayed.destroy()
  const leftAt = Date.now()
  assert.equal(await observer.next(), expected('delayed'))
  assert.ok(Date.now() - leftAt > 900)
  const ephemeral = await login(will('ephemeral', 60))
  ephemeral.destroy()
  assert.equal(await observer.next(), expected('ephemeral'))
  const short = await login({ ...will('short', 60), properties: { sessionExpiry: 1 } })
  short.destroy()
  assert.equal(await observer.next(), expected('short'))
  const ended = await login({ ...will('ended', 60), properties: { sessionExpiry: 100 } })
  ended.destroy()
  await login({ id: 'ended', clean: true })
  assert.equal(await observer.next(), expected('ended'))
  await assertSilent(observer)
})

test('[MQTT 5: 3.14.4-3] a DISCONNECT discards the will, with reason 4 it publishes it', async (t) => {
  const { login, subscriber } = await stage5(t)
  const observer = await subscriber([['wimz/event/+', 0]])
  for (const [name, farewell] of [
    ['none', raw.DISCONNECT],
    ['normal', disconnect5(0)],
    ['with', disconnect5(4)],
  ] as const) {
    const client = await login({ will: { topic: `wimz/event/${name}`, payload: 'x' } })
    client.send(farewell)
    assert.equal(await client.next(), CLOSED)
  }
  assert.equal(await observer.next(), hex(publish5('wimz/event/with', 'x')))
  await assertSilent(observer)
})

test('a will without the right to publish reaches no subscriber', async (t) => {
  const { login, subscriber } = await stage5(t)
  const observer = await subscriber([['wimz/#', 0]], {}, { id: 'observer' })
  await settle(observer)
  const client = await login({ will: { topic: 'wimz/command/x', payload: 'x' } })
  client.destroy()
  await settle(await login(), publish5(T, 'after'))
  assert.ok(bytesOf(await observer.next()).includes('after'))
})

test('[MQTT 5: 3.1.4-3] a second client with the same id: the first gets the reason', async (t) => {
  const { login } = await stage5(t)
  const first = await login({ id: 'twin' })
  await login({ id: 'twin' })
  assert.match(await first.next(), /^e0..?8e/)
  assert.equal(await first.next(), CLOSED)
})

test('[MQTT 5: 3.1.2-22] a silent client is told why its connection ends', async (t) => {
  const { login } = await stage5(t)
  const client = await login({ keepAlive: 1 })
  assert.equal(await client.next(), hex(disconnect5(0x8d)))
  assert.equal(await client.next(), CLOSED)
})

test('a session goes from one version to the other with its queue', async (t) => {
  const { login, broker, subscriber } = await stage5(t)
  const first = await subscriber(
    [[T, 1]],
    { identifier: 7 },
    { id: 'keeper', properties: { sessionExpiry: 100 } },
  )
  first.destroy()
  const properties: Properties = { user: [['k', 'v']] }
  await settle(await login(), publish5(T, 'one', { qos: 1, id: 1, properties }))
  const old = await raw.dial(t, broker.port)
  old.send(raw.connect({ id: 'keeper', clean: false }))
  const [connack, one = ''] = await old.take(2)
  assert.equal(connack, hex(raw.connack(0, 1)))
  assert.equal(one, hex(raw.publish(T, 'one', { qos: 1, id: idOf(one, T) })))
  old.destroy()
  const again = await login({ id: 'keeper', clean: false, properties: { sessionExpiry: 100 } }, 1)
  const two = await again.next()
  assert.ok(bytesOf(two).includes(Buffer.from([0x0b, 7])) && two.startsWith('3a'))
})

test('[MQTT 5: 4.3.3-7, 4.4.0-2] what was sent is repeated although it has expired, and not if the client has rejected it', async (t) => {
  const { login, subscriber } = await stage5(t)
  const options = { id: 'keeper', properties: { sessionExpiry: 100 } }
  const first = await subscriber([[T, 2]], {}, options)
  const publisher = await login()
  const sent: string[] = []
  for (const qos of [2, 1]) {
    await settle(publisher, publish5(T, `${qos}`, { qos, id: qos, properties: { expiry: 1 } }))
    sent.push(await first.next())
  }
  const sentAt = Date.now()
  first.send(ack5(0x40, idOf(sent[1] ?? '', T), 0x80))
  await settle(first)
  first.destroy()
  await until(() => Date.now() - sentAt > 1_100)
  const second = await login({ ...options, clean: false }, 1)
  const again = await second.next()
  assert.match(again, /^3c/)
  assert.equal(idOf(again, T), idOf(sent[0] ?? '', T))
  await assertSilent(second)
})
