import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { MAX_PAYLOAD, packetizeH264 } from '#services/webrtc/rtp/h264-packetizer.ts'
import { accessUnit } from '../camera.ts'

/** The NAL units that a receiver makes of the payloads. RFC 6184 §5.6–5.8. */
function depacketize(payloads: Buffer[]): Buffer[] {
  const units: Buffer[] = []
  for (const payload of payloads) {
    const [first = 0, second = 0] = payload
    const type = first & 0x1f
    if (type === 24) units.push(...split(payload))
    else if (type !== 28) units.push(payload)
    else if (second & 0x80)
      units.push(Buffer.from([(first & 0xe0) | (second & 0x1f), ...payload.subarray(2)]))
    else units.push(Buffer.concat([units.pop() ?? Buffer.alloc(0), payload.subarray(2)]))
  }
  return units
}

function* split(aggregate: Buffer): Generator<Buffer> {
  let at = 1
  while (at < aggregate.length) {
    const end = at + 2 + aggregate.readUInt16BE(at)
    yield aggregate.subarray(at + 2, end)
    at = end
  }
}

const nalUnit = fc
  .tuple(fc.constantFrom(0x65, 0x41, 0x67, 0x68, 0x06), fc.uint8Array({ minLength: 1, maxLength: 4_000 }))
  // no byte below 4, so that there is no start code in it
  .map(([header, body]) => Buffer.from([header, ...body.map((byte) => byte | 4)]))

test('a receiver restores the NAL units from packets that fit', () => {
  fc.assert(
    fc.property(fc.array(nalUnit, { minLength: 1, maxLength: 6 }), (units) => {
      const payloads = packetizeH264(
        Buffer.concat(units.flatMap((unit) => [Buffer.from([0, 0, 0, 1]), unit])),
      )
      assert.ok(payloads.every(({ length }) => length <= MAX_PAYLOAD))
      assert.deepEqual(depacketize(payloads), units)
    }),
  )
})

test('parameter sets share a packet, and large NAL units are split in equal parts', () => {
  const payloads = packetizeH264(accessUnit(true, 10_000))
  assert.equal((payloads[0]?.[0] ?? 0) & 0x1f, 24)
  const sizes = payloads.slice(1).map(({ length }) => length)
  assert.equal(sizes.length, 9)
  assert.ok(Math.max(...sizes) - Math.min(...sizes) < 10)
})

test('an access unit delimiter is omitted', () => {
  const delimited = Buffer.concat([Buffer.from([0, 0, 0, 1, 9, 0xf0]), accessUnit(false, 100)])
  assert.deepEqual(packetizeH264(delimited), packetizeH264(accessUnit(false, 100)))
})
