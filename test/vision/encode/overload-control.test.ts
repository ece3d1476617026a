import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type LoadSample, OverloadPolicy } from '#services/vision/encode/overload-control.ts'

const GOOD: LoadSample = { published: 15, dropped: 0, age: 25 }
const LATE: LoadSample = { published: 15, dropped: 0, age: 130 }
const LOSSY: LoadSample = { published: 10, dropped: 5, age: 40 }

/** Judges so many equal seconds; returns how many it took until the reduction changed, or undefined. */
function seconds(
  policy: OverloadPolicy,
  second: LoadSample,
  count: number,
  detecting = true,
): number | undefined {
  for (let i = 1; i <= count; i++) if (policy.update(second, detecting)) return i
  return undefined
}

test('the detection rate gives way first, then the frame size, within bounds (E11)', () => {
  const policy = new OverloadPolicy()
  const reductions = [policy.reduction]
  while (seconds(policy, LATE, 2) !== undefined) reductions.push(policy.reduction)
  assert.deepEqual(reductions, [
    { detection: 1, steps: 0 },
    { detection: 0.5, steps: 0 },
    { detection: 0.2, steps: 0 },
    { detection: 0.2, steps: 1 },
    { detection: 0.2, steps: 2 },
  ])
  assert.equal(seconds(policy, LOSSY, 100), undefined)
})

test('without a detector the frames get smaller at once', () => {
  const policy = new OverloadPolicy()
  seconds(policy, LOSSY, 2, false)
  assert.equal(policy.reduction.steps, 1)
  seconds(policy, GOOD, 10, false)
  assert.equal(policy.level, 0)
})

test('one overloaded second changes nothing', () => {
  const policy = new OverloadPolicy()
  for (let i = 0; i < 20; i++) {
    assert.equal(policy.update(LATE, true), false)
    assert.equal(policy.update(GOOD, true), false)
  }
})

test('after a failed step back the next one waits twice as long', () => {
  const policy = new OverloadPolicy()
  seconds(policy, LATE, 2)
  const waits: (number | undefined)[] = []
  for (let i = 0; i < 7; i++) {
    waits.push(seconds(policy, GOOD, 1_000))
    seconds(policy, LATE, 2)
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 160, 160])
})

test('without viewers the reduction ends', () => {
  const policy = new OverloadPolicy()
  for (let i = 0; i < 8; i++) policy.update(LATE, true)
  for (let i = 0; i < 1_000; i++) policy.update({ published: 0, dropped: 0, age: 0 }, true)
  assert.equal(policy.level, 0)
})

test('any load: one step at a time within bounds', () => {
  const second = fc.record({ published: fc.nat(120), dropped: fc.nat(120), age: fc.nat(1_000) })
  fc.assert(
    fc.property(fc.array(fc.tuple(second, fc.boolean()), { maxLength: 300 }), (seconds) => {
      const policy = new OverloadPolicy()
      for (const [second, detecting] of seconds) {
        const before = policy.level
        const changed = policy.update(second, detecting)
        assert.equal(changed, policy.level !== before)
        assert.ok(policy.level >= 0 && policy.level <= 4)
        if (detecting) assert.ok(Math.abs(policy.level - before) <= 1)
      }
    }),
  )
})
