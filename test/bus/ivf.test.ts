import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { ContractError } from '#bus/contract-error.ts'
import { decodeIvf, encodeIvf } from '#bus/ivf.ts'

const unit = fc.record({
  capturedAt: fc.bigInt({ min: 0n, max: 2n ** 63n }),
  rtpTimestamp: fc.nat({ max: 0xffffffff }),
  frame: fc.nat({ max: 0xffffffff }),
  data: fc.uint8Array({ minLength: 12, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
})

test('a frame is decoded from IVF to what was encoded', () => {
  fc.assert(
    fc.property(unit, (one) => {
      const { keyframe, ...rest } = decodeIvf(encodeIvf(one))
      assert.deepEqual(rest, { ...one })
      assert.equal(keyframe, ((one.data[0] ?? 1) & 1) === 0)
    }),
  )
})

test('garbage is rejected with a ContractError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.throws(() => decodeIvf(Buffer.from(bytes)), ContractError)
    }),
  )
})
