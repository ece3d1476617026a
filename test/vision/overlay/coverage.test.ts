import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { coverageOf } from '#services/vision/overlay/coverage.ts'
import { type OutlinePoint, readOutlines } from '#services/vision/overlay/outlines.ts'

const SIZE = { width: 8, height: 8 }
const asIs = (point: { x: number; y: number }) => point
const corners = (...points: [number, number][]): OutlinePoint[] =>
  points.map(([x, y]) => ({ x, y, onCurve: true }))
const rectangle = (left: number, top: number, right: number, bottom: number) =>
  corners([left, top], [right, top], [right, bottom], [left, bottom])
const areaOf = ({ alpha }: { alpha: Uint8Array }) => alpha.reduce((sum, value) => sum + value, 0) / 255

test('a pixel is covered by the part of it that lies inside', () => {
  const { alpha } = coverageOf([rectangle(1, 1, 3.5, 2.25)], SIZE, asIs)
  const rows = [1, 2].map((y) => [...alpha.subarray(y * 8, y * 8 + 5)])
  assert.deepEqual(rows, [
    [0, 255, 255, 128, 0],
    [0, 64, 64, 32, 0],
  ])
})

test('the covered area is that of the shape: slopes, holes, curves', () => {
  const near = (contours: OutlinePoint[][], area: number, tolerance = 0.02) => {
    const found = areaOf(coverageOf(contours, SIZE, asIs))
    assert.ok(Math.abs(found - area) < tolerance, `${found} instead of ${area}`)
  }
  near([corners([1, 1], [7, 1], [1, 7])], 18)
  near([corners([1, 7], [1, 1], [7, 1])], 18)
  near([rectangle(1, 1, 7, 7), [...rectangle(2.5, 2.5, 5, 5)].reverse()], 36 - 6.25)
  // a quadratic curve has two thirds of the area of the triangle of its points; all points off the curve: a closed curve
  near(
    [
      [
        { x: 1, y: 7, onCurve: true },
        { x: 4, y: 1, onCurve: false },
        { x: 7, y: 7, onCurve: true },
      ],
    ],
    12,
    0.25,
  )
  near([rectangle(1, 1, 7, 7).map((point) => ({ ...point, onCurve: false }))], 30, 0.25)
})

test('what is outside of the mask is cut off', () => {
  assert.equal(areaOf(coverageOf([rectangle(-5, -5, 20, 20)], SIZE, asIs)), 64)
  assert.equal(areaOf(coverageOf([rectangle(6, 6, 20, 20)], SIZE, asIs)), 4)
  assert.equal(areaOf(coverageOf([rectangle(-9, 2, -1, 4)], SIZE, asIs)), 0)
})

test('the font has an outline for each printable ASCII character, and no two are the same', () => {
  const file = new URL('../../../services/vision/overlay/fonts/DejaVuSansMono-Bold.ttf', import.meta.url)
  const outlines = readOutlines(readFileSync(file))
  const shapes = Array.from({ length: 95 }, (_, i) =>
    JSON.stringify(outlines.contoursOf(String.fromCharCode(32 + i))),
  )
  assert.equal(shapes[0], '[]')
  assert.equal(new Set(shapes).size, 95)
  assert.throws(() => readOutlines(Buffer.alloc(64)), /without the table/)
})
