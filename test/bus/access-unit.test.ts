import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeAccessUnit, encodeAccessUnit, nalUnits } from '#bus/access-unit.ts'
import { ContractError } from '#bus/contract-error.ts'

const START = Buffer.from([0, 0, 0, 1])
const idr = Buffer.concat([
  START,
  Buffer.from([0x67, 1, 2]),
  START,
  Buffer.from([0x68, 3]),
  START,
  Buffer.from([0x65, 9, 9]),
])
const delta = Buffer.concat([START, Buffer.from([0x41, 7, 7])])

test('an access unit is decoded to what was encoded', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.nat({ max: 2 ** 32 - 1 }),
      fc.nat({ max: 2 ** 32 - 1 }),
      fc.boolean(),
      (capturedAt, rtpTimestamp, frame, keyframe) => {
        const data = keyframe ? idr : delta
        const unit = { capturedAt, rtpTimestamp, frame, data }
        assert.deepEqual(decodeAccessUnit(encodeAccessUnit(unit)), { ...unit, keyframe })
      },
    ),
  )
})

test('the SEI contains no start code, whatever the values', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 20n }), fc.nat(3), (capturedAt, small) => {
      const bytes = encodeAccessUnit({ capturedAt, rtpTimestamp: small, frame: small, data: delta })
      assert.equal([...nalUnits(bytes)].length, 2)
    }),
  )
})

test('garbage is rejected', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.throws(() => decodeAccessUnit(Buffer.from(bytes)), ContractError)
    }),
  )
  assert.throws(() => decodeAccessUnit(idr), ContractError)
  const whole = encodeAccessUnit({ capturedAt: 1n, rtpTimestamp: 2, frame: 3, data: idr })
  for (let length = 0; length < 40; length++) {
    assert.throws(() => decodeAccessUnit(whole.subarray(0, length)), ContractError)
  }
})

test('NAL units are found after three and four byte start codes', () => {
  const stream = Buffer.from([0, 0, 1, 0x67, 5, 0, 0, 0, 1, 0x68, 6, 0, 0, 1, 0x65, 0, 0, 3, 1, 0x80])
  assert.deepEqual(
    [...nalUnits(stream)].map((unit) => unit.toString('hex')),
    ['6705', '6806', '650000030180'],
  )
})
