import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startUsersBroker } from '../users-broker.ts'
import * as raw from './raw-client.ts'
import { connect, publish, type RawClient, subscribe, unsubscribe } from './raw-client.ts'

/** Before these bytes a valid CONNECT is sent and its CONNACK awaited. */
interface Row {
  clause: string
  what: string
  send: Buffer[]
  /** Packets of the broker as hex; the last may be `closed`. Otherwise the connection must stay usable. */
  expect: string[]
}

const hex = (bytes: Buffer) => bytes.toString('hex')
const CLOSED = ['closed']
const accepted = [hex(raw.connack(0))]
const T = 'wimz/event/t'

const row = (clause: string, what: string, send: Buffer | Buffer[], expect: string[] = CLOSED): Row => ({
  clause,
  what,
  send: [send].flat(),
  expect,
})

const filters = (count: number) => Array.from({ length: count }, (_, i): [string, number] => [`${T}/${i}`, 0])

/** The first packet of a connection. */
const FIRST: Row[] = [
  row('1.5.3-1', 'client id of invalid UTF-8', connect({ id: Buffer.from([0xc3, 0x28]) })),
  row('1.5.3-1', 'client id with a surrogate', connect({ id: Buffer.from([0xed, 0xa0, 0x80]) })),
  row('1.5.3-2', 'client id with NUL', connect({ id: 'a\0b' })),
  row('1.5.3', 'client id with a control character', connect({ id: 'a\x07b' })),
  row('2.2.2-2', 'flags of the fixed header', Buffer.concat([Buffer.from([0x11]), connect().subarray(1)])),
  row('2.2.3', 'remaining length of five bytes', Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 1])),
  row('3.1.0-1', 'PUBLISH first', publish(T)),
  row('3.1.0-1', 'PINGREQ first', raw.PINGREQ),
  row('3.1.2-1', 'unknown protocol name', connect({ name: 'HTTP' })),
  row('3.1.2-2', 'level 6', connect({ level: 6 }), [hex(raw.connack(1)), 'closed']),
  row('3.1.2-2', 'level 9', connect({ level: 9 }), [hex(raw.connack(1)), 'closed']),
  row('3.1.2-2', 'MQTT 3.1', connect({ name: 'MQIsdp', level: 3, id: 'old' }), accepted),
  row('3.1.2-2', 'a bridge of Mosquitto (try_private)', connect({ level: 0x84, id: 'bridge' }), accepted),
  row('3.1.2-3', 'reserved connect flag', connect({ extraFlags: 1 })),
  row('3.1.2-13', 'QoS of a last will without one', connect({ extraFlags: 0x08 })),
  row('3.1.2-14', 'last will of QoS 3', connect({ will: { topic: T, qos: 3 } })),
  row('3.1.2-15', 'retain flag of a last will without one', connect({ extraFlags: 0x20 })),
  row('3.1.2-11', 'will flag without a will in the payload', connect({ id: 'x', extraFlags: 0x04 })),
  row('3.1.2-19', 'user name flag without a user name', connect({ id: 'x', extraFlags: 0x80 })),
  row('3.1.2-18', 'user name without its flag', connect({ id: 'x', rest: raw.field('vision') })),
  row(
    '3.1.2-21',
    'password flag without a password',
    connect({ id: 'x', username: 'vision', extraFlags: 0x40 }),
  ),
  row('3.1.2-20', 'password without its flag', connect({ id: 'x', rest: raw.field('secret') })),
  row('3.1.2-22', 'password without a user name', connect({ password: 'x' })),
  row('3.1.3-5', '23 letters and digits as client id', connect({ id: 'abcdefghijklmnopqrstuvW' }), accepted),
  row('3.1.3-5', 'client id of 300 bytes', connect({ id: 'x'.repeat(300) }), accepted),
  row('3.1.3-4', 'client id of UTF-8', connect({ id: 'hündchen🐕' }), accepted),
  row('3.1.3-6', 'empty client id with clean session', connect(), accepted),
  row('3.1.3-8', 'empty client id without clean session', connect({ clean: false }), [
    hex(raw.connack(2)),
    'closed',
  ]),
  row('3.1.3-9', 'client id of a service', connect({ id: 'vision-wimz' }), [hex(raw.connack(2)), 'closed']),
  row('3.1.3-10', 'last will to an empty topic', connect({ will: { topic: '' } })),
  row('3.1.3-10', 'last will to a wildcard', connect({ will: { topic: 'wimz/#' } })),
  row('3.1.3-10', 'last will to a topic with NUL', connect({ will: { topic: 'wimz/\0' } })),
  row('3.1.3-10', 'last will to invalid UTF-8', connect({ will: { topic: Buffer.from([0xff]) } })),
  row('3.1.3-11', 'user name of invalid UTF-8', connect({ username: Buffer.from([0xff]), password: 'x' })),
  row('3.1.4-1', 'CONNECT that ends early', raw.packet(0x10, raw.field('MQTT'), Buffer.from([4]))),
  row('3.1.4-1', 'CONNECT with bytes behind its payload', connect({ rest: Buffer.from([1, 2]) })),
  row('3.1.4-4', 'CONNECT', connect({ id: 'x' }), accepted),
  row(
    '3.2.0-1',
    'packets right behind the CONNECT',
    [connect({ id: 'x' }), subscribe(3, [T, 1]), unsubscribe(4, T)],
    [...accepted, hex(raw.suback(3, 1)), hex(raw.unsuback(4))],
  ),
  row('3.2.2-5', 'wrong password', connect({ username: 'vision', password: 'x' }), [
    hex(raw.connack(4)),
    'closed',
  ]),
  row('3.2.2-5', 'user name without a password', connect({ username: 'vision' }), [
    hex(raw.connack(4)),
    'closed',
  ]),
]

/** Packets after the CONNECT of a client without a user name, which may publish `wimz/event/#` and read everything. */
const LATER: Row[] = [
  row('1.5.3-1', 'topic of invalid UTF-8', publish(Buffer.from([0x74, 0xff, 0xfe]))),
  row('1.5.3-1', 'topic of an overlong encoding', publish(Buffer.from([0xc0, 0xaf]))),
  row('1.5.3-2', 'topic with NUL', publish('wimz/event/a\0b', '{}', { qos: 1, id: 3 })),
  row('1.5.3', 'topic with a control character', publish('wimz/event/\x1b')),
  row('1.5.3', 'topic with a non-character', publish('wimz/event/\uffff')),
  row('2.2.2-1', 'PUBACK with a flag', raw.packet(0x41, raw.uint16(1))),
  row(
    '3.8.1-1',
    'SUBSCRIBE with flags 0',
    Buffer.concat([Buffer.from([0x80]), subscribe(1, [T, 0]).subarray(1)]),
  ),
  row(
    '3.10.1-1',
    'UNSUBSCRIBE with flags 0',
    Buffer.concat([Buffer.from([0xa0]), unsubscribe(1, T).subarray(1)]),
  ),
  row('3.6.1-1', 'PUBREL with flags 0', raw.packet(0x60, raw.uint16(1))),
  row('2.2.2-2', 'PINGREQ with flags', raw.packet(0xc1)),
  row('2.3.1-1', 'PUBLISH with packet id 0', publish(T, 'x', { qos: 1, id: 0 })),
  row('2.3.1-1', 'SUBSCRIBE with packet id 0', subscribe(0, [T, 0])),
  row('2.3.1-1', 'UNSUBSCRIBE with packet id 0', unsubscribe(0, T)),
  row('2.3.1-1', 'PUBACK with packet id 0', raw.puback(0)),
  row('3.1.0-2', 'second CONNECT', connect({ id: 'again' })),
  row('3.3.1-2', 'DUP with QoS 0', publish(T, 'x', { dup: true })),
  row('3.3.1-4', 'PUBLISH of QoS 3', raw.packet(0x36, raw.field(T), raw.uint16(1))),
  row('3.3.2-2', 'PUBLISH to #', publish('wimz/#')),
  row('4.7.1-1', 'PUBLISH to +', publish('wimz/+/x')),
  row('4.7.3-1', 'PUBLISH to an empty topic', publish('')),
  row('3.3.4-1', 'PUBLISH of QoS 0', publish(T, 'x'), []),
  row('3.3.4-1', 'PUBLISH of QoS 1', publish(T, 'x', { qos: 1, id: 7 }), [hex(raw.puback(7))]),
  row('3.3.4-1', 'PUBLISH of QoS 2', publish(T, 'x', { qos: 2, id: 7 }), [hex(raw.pubrec(7))]),
  row('2.3.1-6', 'the largest packet id', publish(T, 'x', { qos: 2, id: 65_535 }), [hex(raw.pubrec(65_535))]),
  row('3.3.5-2', 'PUBLISH without the right to', publish('wimz/command/x', '', { qos: 1, id: 7 }), [
    hex(raw.puback(7)),
  ]),
  row('3.3.2', 'PUBLISH that ends within its topic', raw.packet(0x30, Buffer.from([0, 9, 0x61]))),
  row('3.3.2', 'PUBLISH that ends before its packet id', raw.packet(0x32, raw.field(T))),
  row('3.4.1', 'PUBACK of three bytes', raw.packet(0x40, Buffer.from([0, 1, 0]))),
  row('3.4.4', 'PUBACK of an unknown id', raw.puback(9), []),
  row('3.5.4', 'PUBREC of an unknown id', raw.pubrec(9), [hex(raw.pubrel(9))]),
  row('4.3.3-2', 'PUBREL of an unknown id', raw.pubrel(9), [hex(raw.pubcomp(9))]),
  row('3.8.3-1', 'filter of invalid UTF-8', subscribe(1, [Buffer.from([0xff]) as unknown as string, 0])),
  row('3.8.3-3', 'SUBSCRIBE without a filter', raw.packet(0x82, raw.uint16(1))),
  row('3.8.3-4', 'SUBSCRIBE with QoS 3', subscribe(1, [T, 3])),
  row('3.8.3-4', 'SUBSCRIBE with reserved bits', subscribe(1, [T, 4])),
  row('3.8.3', 'SUBSCRIBE that ends before the QoS', raw.packet(0x82, raw.uint16(1), raw.field(T))),
  row('3.8.3', 'SUBSCRIBE with 501 filters', subscribe(1, ...filters(501))),
  row('3.8.3', 'SUBSCRIBE with 500 filters', subscribe(1, ...filters(500)), [
    hex(raw.suback(1, ...Array<number>(500).fill(0))),
  ]),
  row('3.10.3', 'UNSUBSCRIBE with 501 filters', unsubscribe(1, ...filters(501).map(([filter]) => filter))),
  row('3.8.4-1', 'SUBSCRIBE', subscribe(5, [T, 1]), [hex(raw.suback(5, 1))]),
  row(
    '2.3.1-7',
    'SUBSCRIBE and UNSUBSCRIBE with the largest packet id',
    [subscribe(65_535, [T, 1]), unsubscribe(65_535, T)],
    [hex(raw.suback(65_535, 1)), hex(raw.unsuback(65_535))],
  ),
  row('3.9.3-1', 'return codes in the order of the filters', subscribe(5, ['a', 2], ['b', 0], ['c', 1]), [
    hex(raw.suback(5, 2, 0, 1)),
  ]),
  row('3.9.3-2', 'a denied filter between others', subscribe(5, ['a', 1], ['$refused', 1], ['b', 0]), [
    hex(raw.suback(5, 1, 0x80, 0)),
  ]),
  row('3.8.4-2', 'SUBSCRIBE', subscribe(5, [T, 1]), [hex(raw.suback(5, 1))]),
  row('3.8.4-5', 'three filters', subscribe(5, [T, 0], ['a/+', 1], ['b/#', 2]), [
    hex(raw.suback(5, 0, 1, 2)),
  ]),
  row('3.8.4-5', 'the same filter twice', subscribe(5, [T, 0], ['a', 1], [T, 1]), [
    hex(raw.suback(5, 0, 1, 1)),
  ]),
  row('3.10.3-1', 'UNSUBSCRIBE of invalid UTF-8', unsubscribe(1, Buffer.from([0xff]))),
  row('3.10.3-2', 'UNSUBSCRIBE without a filter', raw.packet(0xa2, raw.uint16(1))),
  row('3.10.4-4', 'UNSUBSCRIBE', unsubscribe(6, T), [hex(raw.unsuback(6))]),
  row('3.10.4-5', 'UNSUBSCRIBE of an unknown filter', unsubscribe(5, T), [hex(raw.unsuback(5))]),
  row('3.12.4-1', 'PINGREQ', raw.PINGREQ, [hex(raw.PINGRESP)]),
  row('3.12.1', 'PINGREQ with content', raw.packet(0xc0, Buffer.from([0]))),
  row('3.14.1-1', 'DISCONNECT with flags', raw.packet(0xe1)),
  row('3.14.4-2', 'DISCONNECT', raw.DISCONNECT),
  row('4.7.1-2', 'filter a/#/b', subscribe(1, ['a/#/b', 0])),
  row('4.7.1-2', 'filter a#', subscribe(1, ['a#', 0])),
  row('4.7.1-3', 'filter a+', subscribe(1, ['a+', 0])),
  row('4.7.1-3', 'filter +a/b', subscribe(1, ['+a/b', 0])),
  row('4.7.1-3', 'UNSUBSCRIBE of a+', unsubscribe(1, 'a+')),
  row('4.7.3-1', 'empty filter', subscribe(1, ['', 0])),
  row('4.7.3-2', 'filter with NUL', subscribe(1, ['a\0', 0])),
  row('4.7.3-3', 'topic of 65,535 bytes', publish('x'.repeat(65_535)), []),
  ...[0x00, 0x20, 0x90, 0xb0, 0xd0, 0xf0].map((first) =>
    row('4.8.0-1', `packet type ${first >> 4}, which clients do not send`, raw.packet(first, raw.uint16(1))),
  ),
]

const name = ({ clause, what, expect }: Row) =>
  `[MQTT-${clause}] ${what} → ${expect.join(', ') || 'no answer'}`

test('each statement of MQTT 3.1.1 about the first packet', async (t) => {
  const { broker } = await startUsersBroker(t, { broker: { limits: { connections_per_second: 1_000 } } })
  for (const row of FIRST) await t.test(name(row), (t) => verify(t, broker.port, row))
})

test('each statement of MQTT 3.1.1 about later packets', async (t) => {
  const { broker } = await startUsersBroker(t, { broker: { limits: { connections_per_second: 1_000 } } })
  for (const row of LATER) {
    await t.test(name(row), async (t) => {
      const client = await raw.dial(t, broker.port)
      client.send(connect({ id: 'table' }))
      assert.equal(await client.next(), hex(raw.connack()))
      await converse(client, row)
    })
  }
})

async function verify(t: TestContext, port: number, row: Row): Promise<void> {
  await converse(await raw.dial(t, port), row)
}

async function converse(client: RawClient, { send, expect }: Row): Promise<void> {
  client.send(...send)
  assert.deepEqual(await client.take(expect.length), expect)
  if (expect.at(-1) === 'closed') return
  client.send(raw.PINGREQ)
  assert.equal(await client.next(), hex(raw.PINGRESP))
}
