import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Candidate, iou, suppress } from '#services/vision/detect/nms.ts'

const fraction = fc.integer({ min: 0, max: 1000 }).map((n) => n / 1000)
const candidate = fc.record({
  label: fc.constantFrom('dog', 'cat', 'person'),
  score: fraction,
  box: fc.tuple(fraction, fraction, fraction, fraction),
})

test('suppression is idempotent', () => {
  fc.assert(
    fc.property(fc.array(candidate, { maxLength: 40 }), fraction, (candidates, threshold) => {
      const once = suppress(candidates, threshold, 20)
      assert.deepStrictEqual(suppress(once, threshold, 20), once)
    }),
  )
})

test('no two kept boxes overlap more than the threshold', () => {
  fc.assert(
    fc.property(fc.array(candidate, { maxLength: 40 }), (candidates) => {
      const kept = suppress(candidates, 0.5, 100)
      for (const [i, a] of kept.entries()) {
        for (const b of kept.slice(i + 1)) assert.ok(iou(a.box, b.box) <= 0.5)
      }
    }),
  )
})

test('of two labels for one box the more likely one stays', () => {
  const dog: Candidate = { label: 'dog', score: 0.8, box: [0.1, 0.1, 0.4, 0.4] }
  const cat: Candidate = { label: 'cat', score: 0.6, box: [0.11, 0.1, 0.4, 0.4] }
  const away: Candidate = { label: 'cat', score: 0.5, box: [0.6, 0.6, 0.2, 0.2] }
  assert.deepStrictEqual(suppress([cat, away, dog], 0.5, 10), [dog, away])
})

test('IoU is symmetric and between 0 and 1', () => {
  fc.assert(
    fc.property(candidate, candidate, (a, b) => {
      const overlap = iou(a.box, b.box)
      assert.ok(overlap >= 0 && overlap <= 1 + 1e-9)
      assert.ok(Math.abs(overlap - iou(b.box, a.box)) < 1e-12)
    }),
  )
})

test('no more than the limit stay, the best first', () => {
  const apart = Array.from({ length: 10 }, (_, i): Candidate => {
    return { label: 'dog', score: (i + 1) / 10, box: [i / 10, 0, 0.05, 0.05] }
  })
  for (const limit of [0, 1, 3, 10, 20]) {
    const kept = suppress(apart, 0.5, limit)
    assert.deepStrictEqual(kept, apart.toReversed().slice(0, limit))
  }
})

test('IoU of boxes that were worked out by hand', () => {
  assert.equal(iou([0, 0, 1, 1], [0, 0, 1, 1]), 1)
  assert.equal(iou([0, 0, 1, 1], [0.5, 0, 1, 1]), 1 / 3)
  assert.equal(iou([0, 0, 1, 1], [0, 0.5, 1, 1]), 1 / 3)
  assert.equal(iou([0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5]), 0.25)
  assert.equal(iou([0, 0, 1, 1], [1, 0, 1, 1]), 0, 'only an edge in common')
  assert.equal(iou([0, 0, 1, 1], [2, 0.5, 1, 1]), 0)
  assert.equal(iou([0, 0, 1, 1], [2, 2, 1, 1]), 0)
})

test('boxes that overlap exactly as much as the threshold both stay', () => {
  const one: Candidate = { label: 'dog', score: 0.9, box: [0, 0, 1, 1] }
  const other: Candidate = { label: 'dog', score: 0.8, box: [0.25, 0.25, 0.5, 0.5] }
  assert.equal(suppress([one, other], 0.25, 10).length, 2)
  assert.equal(suppress([one, other], 0.249, 10).length, 1)
})
