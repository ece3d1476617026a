import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startUsersBroker } from '../users-broker.ts'
import type { RawClient } from './raw-client.ts'
import * as raw from './raw-client.ts'
import { hex, T } from './stage.ts'
import {
  ack5,
  connect5,
  disconnect5,
  NO_LOCAL,
  publish5,
  suback5,
  subscribe5,
  unsuback5,
  unsubscribe5,
} from './v5-packets.ts'

/** A packet, and the first bytes of the answers as hex; `closed`: the connection ends. Otherwise it stays usable. */
interface Row {
  clause: string
  what: string
  send: Buffer[]
  expect: string[]
}

const row5 = (clause: string, what: string, send: Buffer | Buffer[], expect: (string | Buffer)[]): Row => ({
  clause,
  what,
  send: [send].flat(),
  expect: expect.map((one) => (typeof one === 'string' ? one : hex(one))),
})

const MALFORMED = 0x81
const PROTOCOL_ERROR = 0x82
/** A CONNACK with a reason, and the end. */
const rejected = (reason: number) => [`20..00${reason.toString(16)}`, 'closed']
/** A DISCONNECT with a reason, and the end. */
const ended = (reason: number) => [disconnect5(reason), 'closed']
const ACCEPTED = ['20..0000']
const flags = (packet: Buffer, first: number) => Buffer.concat([Buffer.from([first]), packet.subarray(1)])
const twice = Buffer.from([0x21, 0, 9, 0x21, 0, 9])

const FIRST: Row[] = [
  row5(
    '1.5.4-1',
    'client id of invalid UTF-8',
    connect5({ id: Buffer.from([0xc3, 0x28]) }),
    rejected(MALFORMED),
  ),
  row5('1.5.4-2', 'client id with NUL', connect5({ id: 'a\0b' }), rejected(MALFORMED)),
  row5(
    '1.5.5-1',
    'property length of more bytes than needed',
    raw.packet(0x10, raw.field('MQTT'), Buffer.from([5, 2, 0, 60, 0x80, 0, 0, 0])),
    rejected(MALFORMED),
  ),
  row5(
    '1.5.7-1',
    'user property of invalid UTF-8',
    connect5({ properties: { user: [['a', Buffer.from([0xff])]] } }),
    rejected(MALFORMED),
  ),
  row5(
    '2.2.2-1',
    'CONNECT without a property length',
    raw.packet(0x10, raw.field('MQTT'), Buffer.from([5, 2, 0, 60]), raw.field('x')),
    rejected(MALFORMED),
  ),
  row5('3.1.0-1', 'PUBLISH first', publish5(T), ['closed']),
  row5('3.1.2-1', 'unknown protocol name', raw.connect({ name: 'HTTP', level: 5 }), ['closed']),
  row5('3.1.2-2', 'level 6', raw.connect({ level: 6 }), ['20020001', 'closed']),
  row5('3.1.2-3', 'reserved connect flag', connect5({ flags: 1 }), rejected(MALFORMED)),
  row5('3.1.2-9', 'will flag without a will', connect5({ flags: 4 }), rejected(MALFORMED)),
  row5('3.1.2-11', 'QoS of a will without one', connect5({ flags: 8 }), rejected(MALFORMED)),
  row5('3.1.2-12', 'will of QoS 3', connect5({ will: { topic: T, qos: 3 } }), rejected(MALFORMED)),
  row5('3.1.2-13', 'retain flag of a will without one', connect5({ flags: 32 }), rejected(MALFORMED)),
  row5('3.1.2-17', 'user name flag without one', connect5({ flags: 128 }), rejected(MALFORMED)),
  row5('3.1.2-19', 'password flag without one', connect5({ flags: 64 }), rejected(MALFORMED)),
  row5(
    '3.1.2-23',
    'receive maximum 0',
    connect5({ properties: { receiveMaximum: 0 } }),
    rejected(PROTOCOL_ERROR),
  ),
  row5(
    '3.1.2-24',
    'maximum packet size 0',
    connect5({ properties: { maximumSize: 0 } }),
    rejected(PROTOCOL_ERROR),
  ),
  row5('4.13.1-1', 'a property twice', connect5({ properties: { raw: twice } }), rejected(PROTOCOL_ERROR)),
  row5(
    '4.13.1-1',
    'a property of another packet',
    connect5({ properties: { alias: 1 } }),
    rejected(PROTOCOL_ERROR),
  ),
  row5(
    '4.13.1-1',
    'an unknown property',
    connect5({ properties: { raw: Buffer.from([0x7f, 0]) } }),
    rejected(MALFORMED),
  ),
  row5(
    '4.13.1-1',
    'a flag of 2',
    connect5({ properties: { problemInformation: 2 } }),
    rejected(PROTOCOL_ERROR),
  ),
  row5('3.1.3-4', 'client id of UTF-8', connect5({ id: 'hündchen🐕' }), ACCEPTED),
  row5(
    '3.1.3-5',
    '23 letters and digits as client id',
    connect5({ id: 'abcdefghijklmnopqrstuvW' }),
    ACCEPTED,
  ),
  row5('3.1.3-8', 'client id of a service', connect5({ id: 'vision-wimz' }), rejected(0x85)),
  row5('3.1.3-11', 'will to a wildcard', connect5({ will: { topic: 'wimz/#' } }), rejected(0x90)),
  row5(
    '3.1.3-12',
    'user name of invalid UTF-8',
    connect5({ username: Buffer.from([0xff]) }),
    rejected(MALFORMED),
  ),
  row5(
    '3.1.4-1',
    'bytes behind the payload',
    raw.packet(0x10, raw.field('MQTT'), Buffer.from([5, 2, 0, 60, 0, 0, 0, 9])),
    rejected(MALFORMED),
  ),
  row5('3.1.4-2', 'wrong password', connect5({ username: 'vision', password: 'x' }), rejected(0x86)),
  row5('3.2.2-7', 'user name without a password', connect5({ username: 'vision' }), rejected(0x86)),
  row5('4.12.0-1', 'an authentication method', connect5({ properties: { method: 'SCRAM' } }), rejected(0x8c)),
]

const LATER: Row[] = [
  row5('2.1.3-1', 'PINGREQ with flags', raw.packet(0xc1), ended(MALFORMED)),
  row5('2.2.1-3', 'PUBLISH with packet id 0', publish5(T, '', { qos: 1, id: 0 }), ended(PROTOCOL_ERROR)),
  row5('2.2.1-5', 'PUBLISH of QoS 1', publish5(T, 'x', { qos: 1, id: 65_535 }), ['400[34]ffff00']),
  row5('2.2.1-6', 'UNSUBSCRIBE of an unknown filter', unsubscribe5(7, T), [unsuback5(7, 0x11)]),
  row5('3.1.0-2', 'second CONNECT', connect5(), ended(PROTOCOL_ERROR)),
  row5('3.3.1-2', 'DUP with QoS 0', publish5(T, '', { dup: true }), ended(MALFORMED)),
  row5('3.3.1-4', 'QoS 3', raw.packet(0x36, raw.field(T), raw.uint16(1), Buffer.from([0])), ended(MALFORMED)),
  row5('3.3.2-1', 'topic of invalid UTF-8', publish5(Buffer.from([0xff])), ended(MALFORMED)),
  row5('3.3.2-2', 'PUBLISH to #', publish5('wimz/#'), ended(0x90)),
  row5('4.7.0-1', 'PUBLISH to +', publish5('wimz/+'), ended(0x90)),
  row5('3.3.2-8', 'topic alias 0', publish5(T, '', { properties: { alias: 0 } }), ended(0x94)),
  row5(
    '3.3.2-9',
    'topic alias above the maximum 0',
    publish5(T, '', { properties: { alias: 1 } }),
    ended(0x94),
  ),
  row5(
    '3.3.2-13',
    'response topic of invalid UTF-8',
    publish5(T, '', { properties: { responseTopic: Buffer.from([0xff]) } }),
    ended(MALFORMED),
  ),
  row5(
    '3.3.2-14',
    'response topic with a wildcard',
    publish5(T, '', { properties: { responseTopic: 'a/#' } }),
    ended(0x90),
  ),
  row5(
    '3.3.2-19',
    'content type of invalid UTF-8',
    publish5(T, '', { properties: { contentType: Buffer.from([0xff]) } }),
    ended(MALFORMED),
  ),
  row5('3.3.4-1', 'PUBLISH of QoS 2', publish5(T, 'x', { qos: 2, id: 9 }), ['500[34]000900']),
  row5(
    '3.3.4-6',
    'PUBLISH with a subscription identifier',
    publish5(T, '', { properties: { identifier: 1 } }),
    ended(PROTOCOL_ERROR),
  ),
  row5('3.4.2-1', 'PUBLISH without the right to', publish5('wimz/command/x', '', { qos: 1, id: 7 }), [
    ack5(0x40, 7, 0x87, { reason: 'no right to publish on wimz/command/x' }),
  ]),
  row5(
    '3.5.2-1',
    'PUBLISH of QoS 2 without the right to',
    publish5('wimz/command/x', '', { qos: 2, id: 7 }),
    [ack5(0x50, 7, 0x87, { reason: 'no right to publish on wimz/command/x' })],
  ),
  row5(
    '4.3.3-9',
    'the packet id of a rejected message is free',
    [publish5('wimz/command/x', '', { qos: 2, id: 7 }), publish5(T, '', { qos: 2, id: 7 })],
    [ack5(0x50, 7, 0x87, { reason: 'no right to publish on wimz/command/x' }), '500[34]000700'],
  ),
  row5('3.3.4-1', 'PUBLISH of QoS 0 without the right to', publish5('wimz/command/x'), []),
  row5('3.6.1-1', 'PUBREL with flags 0', raw.packet(0x60, raw.uint16(1)), ended(MALFORMED)),
  row5('3.6.2-1', 'PUBREL with an invalid reason', ack5(0x62, 1, 0x10), ended(MALFORMED)),
  row5('3.7.2-1', 'PUBCOMP with an invalid reason', ack5(0x70, 1, 0x87), ended(MALFORMED)),
  row5('4.3.3-11', 'PUBREL with reason and properties', ack5(0x62, 9, 0, { reason: 'x' }), [raw.pubcomp(9)]),
  row5('3.8.1-1', 'SUBSCRIBE with flags 0', flags(subscribe5(1, [[T, 0]]), 0x80), ended(MALFORMED)),
  row5('3.8.3-1', 'filter of invalid UTF-8', subscribe5(1, [[Buffer.from([0xff]), 0]]), ended(MALFORMED)),
  row5('3.8.3-2', 'SUBSCRIBE without a filter', subscribe5(1, []), ended(PROTOCOL_ERROR)),
  row5(
    '3.8.3-4',
    'no local of a shared subscription',
    subscribe5(1, [[`$share/a/${T}`, NO_LOCAL]]),
    ended(PROTOCOL_ERROR),
  ),
  row5('3.8.3-5', 'reserved bits of the options', subscribe5(1, [[T, 0x40]]), ended(PROTOCOL_ERROR)),
  row5('3.8.3-5', 'retain handling 3', subscribe5(1, [[T, 0x30]]), ended(PROTOCOL_ERROR)),
  row5(
    '4.13.1-1',
    'subscription identifier 0',
    subscribe5(1, [[T, 0]], { identifier: 0 }),
    ended(PROTOCOL_ERROR),
  ),
  row5('3.8.4-1', 'SUBSCRIBE', subscribe5(5, [[T, 1]]), [suback5(5, 1)]),
  row5('3.8.4-2', 'SUBSCRIBE', subscribe5(65_535, [[T, 1]]), [suback5(65_535, 1)]),
  row5(
    '3.8.4-6',
    'three filters',
    subscribe5(5, [
      ['a', 0],
      ['b', 1],
      ['c/#', 2],
    ]),
    [suback5(5, 0, 1, 2)],
  ),
  row5(
    '3.9.3-1',
    'reasons in the order of the filters',
    subscribe5(5, [
      ['a', 2],
      ['$refused', 1],
      ['b', 0],
      ['$share/g/a', 0],
    ]),
    [suback5(5, 2, 0x87, 0, 0x9e)],
  ),
  row5(
    '3.9.3-2',
    'the filter __proto__ among others',
    subscribe5(5, [
      ['__proto__', 1],
      ['constructor', 0],
    ]),
    [suback5(5, 1, 0)],
  ),
  row5('4.8.2-1', 'shared subscription', subscribe5(5, [[`$share/a/${T}`, 1]]), [suback5(5, 0x9e)]),
  row5('3.10.1-1', 'UNSUBSCRIBE with flags 0', flags(unsubscribe5(1, T), 0xa0), ended(MALFORMED)),
  row5('3.10.3-1', 'UNSUBSCRIBE of invalid UTF-8', unsubscribe5(1, Buffer.from([0xff])), ended(MALFORMED)),
  row5('3.10.3-2', 'UNSUBSCRIBE without a filter', unsubscribe5(1), ended(PROTOCOL_ERROR)),
  row5(
    '3.11.3-1',
    'reasons in the order of the filters',
    [subscribe5(1, [['b', 0]]), unsubscribe5(2, 'a', 'b', 'c')],
    [suback5(1, 0), unsuback5(2, 0x11, 0, 0x11)],
  ),
  row5(
    '3.10.4-4',
    'UNSUBSCRIBE',
    [subscribe5(1, [[T, 0]]), unsubscribe5(2, T)],
    [suback5(1, 0), unsuback5(2, 0)],
  ),
  row5('3.12.4-1', 'PINGREQ', raw.PINGREQ, [raw.PINGRESP]),
  row5('3.14.1-1', 'DISCONNECT with flags', raw.packet(0xe1), ended(MALFORMED)),
  row5('4.13.1-1', 'DISCONNECT with an invalid reason', disconnect5(0x8e), ended(MALFORMED)),
  row5(
    '4.13.1-1',
    'session expiry in a DISCONNECT after none in the CONNECT',
    disconnect5(0, { sessionExpiry: 9 }),
    ended(PROTOCOL_ERROR),
  ),
  row5('4.13.2-1', 'DISCONNECT with an error', disconnect5(0x80), ['closed']),
  row5('3.15.1-1', 'AUTH with flags', raw.packet(0xf1), ended(MALFORMED)),
  row5('4.12.0-7', 'AUTH', raw.packet(0xf0), ended(PROTOCOL_ERROR)),
  row5('4.7.1-1', 'filter a/#/b', subscribe5(1, [['a/#/b', 0]]), ended(0x8f)),
  row5('4.7.1-2', 'filter a+', subscribe5(1, [['a+', 0]]), ended(0x8f)),
  row5('4.7.3-1', 'empty filter', subscribe5(1, [['', 0]]), ended(0x8f)),
  row5('4.7.3-1', 'PUBLISH to an empty topic', publish5(''), ended(PROTOCOL_ERROR)),
  row5('4.7.3-2', 'filter with NUL', subscribe5(1, [['a\0', 0]]), ended(MALFORMED)),
  row5('4.7.3-3', 'topic of 65,535 bytes', publish5('x'.repeat(65_535)), []),
]

const name = ({ clause, what, expect }: Row) =>
  `[MQTT 5: ${clause}] ${what} → ${expect.join(', ') || 'no answer'}`
const LIMITS = { broker: { limits: { connections_per_second: 1_000 } } }

test('each statement of MQTT 5 about the first packet', async (t) => {
  const { broker } = await startUsersBroker(t, LIMITS)
  for (const row of FIRST) {
    await t.test(name(row), async (t) => converse(await raw.dial(t, broker.port), row))
  }
})

test('each statement of MQTT 5 about later packets', async (t) => {
  const { broker } = await startUsersBroker(t, LIMITS)
  for (const row of LATER) {
    await t.test(name(row), async (t) => {
      const client = await raw.dial(t, broker.port)
      client.send(connect5({ id: 'table' }))
      assert.match(await client.next(), /^20..0000/)
      await converse(client, row)
    })
  }
})

async function converse(client: RawClient, { send, expect }: Row): Promise<void> {
  client.send(...send)
  for (const one of expect) assert.match(await client.next(), new RegExp(`^${one}`))
  if (expect.at(-1) === 'closed') return
  client.send(raw.PINGREQ)
  assert.equal(await client.next(), hex(raw.PINGRESP))
}
