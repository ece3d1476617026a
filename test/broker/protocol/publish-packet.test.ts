import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publishPacket } from '#broker/protocol/publish-packet.ts'
import * as raw from './raw-client.ts'
import { integer, properties, publish5 } from './v5-packets.ts'

const T = 'wimz/ereignis/größe'
/** Payloads at which the remaining length has another size, and the packet another number of parts. */
const SIZES = [0, 1, 90, 110, 127, 128, 2_047, 2_048, 2_049, 16_340, 16_370, 16_384, 2_097_000, 2_097_152]
const FLAGS = [
  { qos: 0, retain: false, dup: false },
  { qos: 0, retain: true, dup: false },
  { qos: 1, retain: false, dup: true },
  { qos: 2, retain: true, dup: false },
]

test('a PUBLISH of MQTT 3.1.1 has the bytes of its fields, in two parts with a large payload', () => {
  for (const size of SIZES) {
    for (const flags of FLAGS) {
      const payload = Buffer.alloc(size, 'p')
      const parts = publishPacket({ version: 4, topic: T, payload, id: 513, ...flags })
      const expected = raw.publish(T, payload, { ...flags, id: 513 })
      assert.ok(Buffer.concat(parts).equals(expected), `${size} ${JSON.stringify(flags)}`)
      assert.equal(parts.length, size > 2_048 ? 2 : 1, `${size}`)
    }
  }
})

test('a PUBLISH of MQTT 5 has the properties of the message, its expiry and the identifiers', () => {
  const forwarded = properties({ contentType: 'text/plain', user: [['a', 'b'.repeat(200)]] }).subarray(2)
  const rows = [
    {},
    { properties: { raw: forwarded } },
    { expiry: 0 },
    { expiry: 70_000, subscriptionIdentifiers: [1] },
    {
      properties: { raw: forwarded },
      expiry: 5,
      subscriptionIdentifiers: [127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455],
    },
  ]
  for (const size of SIZES) {
    for (const { properties: given, expiry, subscriptionIdentifiers = [] } of rows) {
      const payload = Buffer.alloc(size, 'p')
      const own = Buffer.alloc(expiry === undefined ? 0 : 5, 2)
      if (expiry !== undefined) own.writeUInt32BE(expiry, 1)
      const identifiers = subscriptionIdentifiers.flatMap((one) => [Buffer.from([0x0b]), integer(one)])
      const bytes = Buffer.concat([given?.raw ?? Buffer.alloc(0), own, ...identifiers])
      const flags = { qos: 1, retain: true, dup: false }
      const fields = { version: 5, topic: T, payload, id: 9, ...flags }
      const parts = publishPacket({ ...fields, properties: given, expiry, subscriptionIdentifiers })
      const expected = publish5(T, payload, { ...flags, id: 9, properties: { raw: bytes } })
      assert.ok(Buffer.concat(parts).equals(expected), `${size} ${bytes.length}`)
    }
  }
})
