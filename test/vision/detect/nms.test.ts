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
