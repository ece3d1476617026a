import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isStop, speeds } from '#commands/drive/drive.ts'

test('speeds have a deadzone, are clamped, and are whole percents (B23)', () => {
  assert.deepEqual(speeds({ left: 0.099, right: -0.1 }), { left: 0, right: -0.1 })
  assert.deepEqual(speeds({ left: 5, right: -0.999 }), { left: 0.7, right: -0.7 })
  assert.deepEqual(speeds({ left: 0.559, right: 0.3 }), { left: 0.55, right: 0.3 })
})

test('whatever comes, speeds are finite and within bounds, never NaN (B14)', () => {
  fc.assert(
    fc.property(fc.anything(), fc.oneof(fc.double(), fc.anything()), (left, right) => {
      for (const value of Object.values(speeds({ left, right }))) {
        assert.ok(Number.isFinite(value) && Math.abs(value) <= 0.7)
      }
    }),
  )
})

test('stop words stop with any parameters, a drive command when both sides stand', () => {
  for (const name of ['stop', 'emergency_stop']) assert.equal(isStop(name, { left: 1 }), true)
  for (const name of ['motor', 'motor_command', 'drive']) {
    assert.equal(isStop(name, { left: 0.05, right: 0 }), true)
    assert.equal(isStop(name, {}), true)
    assert.equal(isStop(name, { left: 0.05, right: 0.5 }), false)
  }
  assert.equal(isStop('treat', {}), false)
})
