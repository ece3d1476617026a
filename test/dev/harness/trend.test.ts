import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#dev/harness/random.ts'
import { theilSen } from '#dev/harness/trend.ts'

test('the slope of a line is found below outliers and noise, and its bounds include it', () => {
  const random = seededRandom(7)
  const points = Array.from({ length: 60 }, (_, x) => [x, 2 * x + random() * 4] as const)
  const spoiled = points.map(([x, y]) => [x, x % 10 === 9 ? 1_000 : y] as const)
  for (const one of [points, spoiled]) {
    const { slope, low, high } = theilSen(one)
    assert.ok(Math.abs(slope - 2) < 0.1, `${slope}`)
    assert.ok(low < 2 && high > 2 && high - low < 0.5, `${low} to ${high}`)
  }
})

test('noise without a slope has bounds on both sides of 0', () => {
  const random = seededRandom(1)
  const { low, high } = theilSen(Array.from({ length: 100 }, (_, x) => [x, random()] as const))
  assert.ok(low < 0 && high > 0)
})

test('fewer than two points have no slope', () => {
  assert.deepEqual(theilSen([]), { slope: 0, low: 0, high: 0 })
  assert.deepEqual(theilSen([[1, 5]]), { slope: 0, low: 0, high: 0 })
})
