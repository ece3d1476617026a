import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Governor, type Second } from '#services/vision/encode/governor.ts'

const GOOD: Second = { published: 15, dropped: 0, age: 25 }
const LATE: Second = { published: 15, dropped: 0, age: 130 }
const LOSSY: Second = { published: 10, dropped: 5, age: 40 }

/** Judges so many equal seconds; returns how many it took until the relief changed, or undefined. */
function seconds(governor: Governor, second: Second, count: number, detecting = true): number | undefined {
  for (let i = 1; i <= count; i++) if (governor.judge(second, detecting)) return i
  return undefined
}

test('detections give way first, then the size of the picture, and no more than there is (E11)', () => {
  const governor = new Governor()
  const reliefs = [governor.relief]
  while (seconds(governor, LATE, 2) !== undefined) reliefs.push(governor.relief)
  assert.deepEqual(reliefs, [
    { detection: 1, steps: 0 },
    { detection: 0.5, steps: 0 },
    { detection: 0.2, steps: 0 },
    { detection: 0.2, steps: 1 },
    { detection: 0.2, steps: 2 },
  ])
  assert.equal(seconds(governor, LOSSY, 100), undefined)
})

test('without a detector the pictures get smaller at once', () => {
  const governor = new Governor()
  seconds(governor, LOSSY, 2, false)
  assert.equal(governor.relief.steps, 1)
  seconds(governor, GOOD, 10, false)
  assert.equal(governor.level, 0)
})

test('one bad second is none', () => {
  const governor = new Governor()
  for (let i = 0; i < 20; i++) {
    assert.equal(governor.judge(LATE, true), false)
    assert.equal(governor.judge(GOOD, true), false)
  }
})

test('after a vain try the next one waits twice as long', () => {
  const governor = new Governor()
  seconds(governor, LATE, 2)
  const waits: (number | undefined)[] = []
  for (let i = 0; i < 7; i++) {
    waits.push(seconds(governor, GOOD, 1_000))
    seconds(governor, LATE, 2)
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 160, 160])
})

test('with nobody watching all comes back', () => {
  const governor = new Governor()
  for (let i = 0; i < 8; i++) governor.judge(LATE, true)
  for (let i = 0; i < 1_000; i++) governor.judge({ published: 0, dropped: 0, age: 0 }, true)
  assert.equal(governor.level, 0)
})

test('whatever the seconds are like, a step is one step and the level has bounds', () => {
  const second = fc.record({ published: fc.nat(120), dropped: fc.nat(120), age: fc.nat(1_000) })
  fc.assert(
    fc.property(fc.array(fc.tuple(second, fc.boolean()), { maxLength: 300 }), (seconds) => {
      const governor = new Governor()
      for (const [second, detecting] of seconds) {
        const before = governor.level
        const changed = governor.judge(second, detecting)
        assert.equal(changed, governor.level !== before)
        assert.ok(governor.level >= 0 && governor.level <= 4)
        if (detecting) assert.ok(Math.abs(governor.level - before) <= 1)
      }
    }),
  )
})
