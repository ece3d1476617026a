import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtocolViolation } from '#broker/protocol/packet-body.ts'
import { PacketReader, PacketRejected } from '#broker/protocol/packet-reader.ts'
import type { MessageProperties } from '#broker/protocol/properties.ts'
import * as raw from './raw-client.ts'
import { connect5, disconnect5, properties, publish5 } from './v5-packets.ts'

const T = 'wimz/event/t'

/** A reader, and what its policy is asked and told. */
function stage(accepts: (type: number, length: number) => boolean = () => true) {
  const events: string[] = []
  const messages: MessageProperties[] = []
  const reader = new PacketReader({
    accepts(type, length) {
      events.push(`type ${type} length ${length}`)
      return accepts(type, length)
    },
    onPacket: (type, qos) => events.push(`packet ${type} QoS ${qos}`),
    onEnd: () => events.push('end'),
    onMessage: (message) => messages.push(message),
  })
  const read = (...packets: Buffer[]) => {
    for (const packet of packets) reader.read(packet)
  }
  return { reader, read, events: () => events.splice(0), messages }
}

test('packets are followed and validated however their bytes are split', () => {
  const packets = [
    raw.connect({ id: 'x' }),
    raw.publish(T, 'p'.repeat(300), { qos: 1, id: 7 }),
    raw.publish(T, 'p', { qos: 2, id: 8 }),
    raw.publish(T),
    raw.subscribe(3, [T, 1]),
    raw.PINGREQ,
    raw.DISCONNECT,
  ]
  const bytes = Buffer.concat(packets)
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = packets
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const { reader, read, events } = stage()
    for (let at = 0; at < bytes.length; at += size) read(bytes.subarray(at, at + size))
    const seen = events()
    assert.deepEqual(
      seen.filter((event) => event.startsWith('packet')),
      ['1 QoS 0', '3 QoS 1', '3 QoS 2', '3 QoS 0', '8 QoS 1', '12 QoS 0', '14 QoS 0'].map(
        (one) => `packet ${one}`,
      ),
    )
    assert.equal(seen.filter((event) => event === 'end').length, packets.length)
    assert.equal(seen[0], `type 1 length ${first.length - 2}`)
    assert.ok(seen.includes(`type 3 length ${second.length - 3}`))
    assert.equal(reader.version, 4)
    assert.equal(reader.isDisconnected, false, 'MQTT 3.1.1')
    assert.equal(reader.missing, 2)
  }
})

test('it never asks for more bytes than are missing of the packet', () => {
  const { reader, read } = stage()
  const connect = raw.connect({ id: 'x' })
  for (let at = 0; at < connect.length; at++) {
    assert.equal(reader.missing, at === 0 ? 2 : at === 1 ? 1 : connect.length - at)
    read(connect.subarray(at, at + 1))
  }
  assert.equal(reader.type, 1)
  read(Buffer.from([0x30, 0xff, 0xff, 0xff]))
  assert.equal(reader.missing, 1)
  read(Buffer.from([0x7f]))
  assert.equal(reader.missing, 268_435_455)
})

test('a packet that is not accepted ends the connection before its content', () => {
  const { read, events } = stage((type) => type === 1)
  read(raw.connect({ id: 'x' }))
  events()
  assert.throws(() => read(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x01])), PacketRejected)
  assert.deepEqual(events(), ['type 3 length 2097152'])
})

test('a remaining length of five bytes is a violation at its fourth', () => {
  const { read } = stage()
  read(raw.connect({ id: 'x' }), Buffer.from([0x30, 0xff, 0xff, 0xff]))
  assert.throws(() => read(Buffer.from([0x80])), /2\.2\.3/)
})

test('the first packet is a CONNECT, and no other one is', () => {
  assert.throws(() => stage().read(raw.PINGREQ), /3\.1\.0-1/)
  const { read } = stage()
  read(raw.connect({ id: 'x' }))
  assert.throws(() => read(raw.connect({ id: 'x' })), /3\.1\.0-2/)
})

test('a PUBLISH is validated with its variable header, and its payload not read', () => {
  const { read } = stage()
  read(raw.connect({ id: 'x' }))
  const [good, bad] = [
    raw.publish(T, 'xxxx', { qos: 1, id: 7 }),
    raw.publish('a/#', 'xxxx', { qos: 1, id: 7 }),
  ]
  read(good)
  // up to the packet id, and its last byte
  read(bad.subarray(0, 8))
  assert.throws(() => read(bad.subarray(8, 9)), ProtocolViolation)
})

test('the properties of messages and wills of MQTT 5 are reported, once for each', () => {
  const { reader, read, messages } = stage()
  const of = { contentType: 'text/plain', expiry: 60 }
  read(
    connect5({ id: 'x', will: { topic: T, properties: { willDelay: 5 } } }),
    publish5(T, 'x', { properties: of }),
  )
  read(publish5(T))
  assert.equal(reader.version, 5)
  const [will, message, plain, ...more] = messages
  assert.equal(will?.willDelayInterval, 5)
  assert.equal(message?.messageExpiryInterval, 60)
  assert.deepEqual(message?.raw, properties({ contentType: 'text/plain' }).subarray(1))
  assert.deepEqual(plain, { raw: Buffer.alloc(0) })
  assert.deepEqual(more, [])
  read(disconnect5(0))
  assert.equal(reader.isDisconnected, true)
})

test('64 KiB of properties are buffered, more are rejected before they arrive', () => {
  const { read, messages } = stage()
  read(connect5({ id: 'x' }))
  const of = (bytes: number) => ({ user: [['a', 'x'.repeat(bytes - 6)]] as [string, string][] })
  read(publish5(T, 'x', { properties: of(65_536) }))
  assert.equal(messages.length, 1)
  const large = publish5(T, 'x', { properties: of(65_537) })
  assert.throws(() => read(large.subarray(0, 40)), PacketRejected)
})

test('a DISCONNECT may not give an expiry to a session without one', () => {
  const expires = { sessionExpiry: 10 }
  const { read } = stage()
  read(connect5({ id: 'x', properties: expires }), disconnect5(0, expires))
  const other = stage()
  other.read(connect5({ id: 'x' }))
  assert.throws(() => other.read(disconnect5(0, expires)), /3\.14\.2/)
})
