import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ZoneSection } from '#services/vision/config.ts'
import type { Box } from '#services/vision/detect/nms.ts'
import { contains, footOf, ZoneDwell } from '#services/vision/track/zone.ts'

const SOFA: ZoneSection = {
  points: [
    [0.2, 0.5],
    [0.6, 0.5],
    [0.6, 0.9],
    [0.2, 0.9],
  ],
  labels: ['dog'],
  dwell: 2,
}
/** Its feet at (x, 0.7). */
const standing = (x: number): Box => [x - 0.1, 0.3, 0.2, 0.4]

test('points are inside or outside, also of concave polygons', () => {
  const hollow: ZoneSection['points'] = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0.5, 0.2],
    [0, 1],
  ]
  assert.deepEqual(
    [contains(SOFA.points, 0.4, 0.7), contains(SOFA.points, 0.1, 0.7), contains(SOFA.points, 0.4, 0.95)],
    [true, false, false],
  )
  assert.deepEqual(
    [contains(hollow, 0.5, 0.1), contains(hollow, 0.5, 0.6), contains(hollow, 0.1, 0.5)],
    [true, false, true],
  )
})

test('the middle of the lower edge decides', () => {
  assert.deepEqual(footOf([0.2, 0.3, 0.4, 0.5]), [0.4, 0.8])
})

test('an object is inside after the settling time, dwells after `dwell`, and leaves', () => {
  const stay = new ZoneDwell(SOFA)
  const steps: [at: number, x: number, inside: boolean, dwells: boolean][] = [
    [0, 0.1, false, false],
    [200, 0.4, false, false],
    [600, 0.4, true, false],
    [2_100, 0.4, true, false],
    [2_300, 0.4, true, true],
    [2_500, 0.8, true, true],
    [2_900, 0.8, false, false],
  ]
  for (const [at, x, inside, dwells] of steps) {
    stay.update('dog', standing(x), at)
    assert.deepEqual([stay.inside, stay.dwells(at)], [inside, dwells], `${at} ms`)
  }
  assert.ok(stay.entered)
})

test('a box that jitters on the edge neither enters nor leaves', () => {
  const stay = new ZoneDwell(SOFA)
  for (let at = 0; at < 5_000; at += 100) {
    stay.update('dog', standing(at % 200 === 0 ? 0.19 : 0.21), at)
    assert.equal(stay.inside, false)
  }
})

test('a zone for dogs ignores cats', () => {
  const stay = new ZoneDwell(SOFA)
  for (let at = 0; at < 2_000; at += 200) stay.update('cat', standing(0.4), at)
  assert.equal(stay.inside, false)
})
