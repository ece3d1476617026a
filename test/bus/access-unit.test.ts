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

test('the bytes of an access unit are those of H.264 D.1.7, for other readers', () => {
  const bytes = encodeAccessUnit({ capturedAt: 0x0102030405060708n, rtpTimestamp: 9, frame: 10, data: delta })
  const sei =
    '0000000106' +
    '0520' +
    '77696d7ab4d54c1e9c0a6f0d3c2e5a11' +
    '0102030405060708' +
    '0000030009' +
    '0000030' +
    '00a80'
  assert.equal(bytes.toString('hex'), `${sei}${delta.toString('hex')}`)
})

test('an access unit with any part of its SEI changed is rejected', () => {
  const whole = encodeAccessUnit({
    capturedAt: 1n << 60n,
    rtpTimestamp: 2 ** 31,
    frame: 2 ** 31,
    data: delta,
  })
  for (const [at, what] of [
    [2, 'start code'],
    [4, 'NAL type'],
    [5, 'payload type'],
    [7, 'first byte of the UUID'],
    [22, 'last byte of the UUID'],
  ] as const) {
    const changed = Buffer.from(whole)
    changed.writeUInt8(0x55, at)
    assert.throws(() => decodeAccessUnit(changed), ContractError, what)
  }
  const truncated = Buffer.concat([whole.subarray(0, 30), delta])
  assert.throws(() => decodeAccessUnit(truncated), /truncated/)
})

test('the first slice decides whether it is a keyframe', () => {
  const withData = (data: Buffer) =>
    decodeAccessUnit(encodeAccessUnit({ capturedAt: 1n, rtpTimestamp: 1, frame: 1, data })).keyframe
  assert.equal(withData(idr), true)
  assert.equal(withData(Buffer.concat([delta, idr])), false)
})

test('zeros at the end of a NAL unit belong to the byte stream', () => {
  const stream = Buffer.from([0, 0, 1, 0x67, 5, 0, 0, 0, 0, 0, 1, 0x68, 6, 0, 0])
  assert.deepEqual(
    [...nalUnits(stream)].map((unit) => unit.toString('hex')),
    ['6705', '6806'],
  )
  assert.deepEqual([...nalUnits(Buffer.from([0, 0, 1, 0, 0, 0, 0, 1]))], [])
})

test('data without a slice is no keyframe', () => {
  const data = Buffer.concat([START, Buffer.from([0x67, 1, 2]), START, Buffer.from([0x06, 5])])
  const unit = encodeAccessUnit({ capturedAt: 1n, rtpTimestamp: 2, frame: 3, data })
  assert.equal(decodeAccessUnit(unit).keyframe, false)
})

test('only the bytes 0 to 3 are escaped after two zeros (H.264 7.4.1.1)', () => {
  const hexOf = (rtpTimestamp: number) =>
    encodeAccessUnit({ capturedAt: 0x0909090909090909n, rtpTimestamp, frame: 1, data: delta }).toString('hex')
  assert.match(hexOf(0x0000_0305), /0000030305/)
  assert.match(hexOf(0x0000_0405), /00000405/)
})
