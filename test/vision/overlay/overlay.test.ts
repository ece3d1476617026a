import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planesOf } from '#services/vision/image/pixels.ts'
import { paintOverlay, type Scene } from '#services/vision/overlay/overlay.ts'
import { colorAt, plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 640, height: 360 }
const GRAY = [80, 80, 80] as const
const DOG = { label: 'dog', score: 0.9, box: [0.25, 0.25, 0.5, 0.5], track_id: null } as const

function painted(objects: Scene['objects']) {
  const pixels = plainFrame(SIZE, GRAY)
  const planes = planesOf(pixels)
  paintOverlay(planes, { objects, time: Date.UTC(2026, 2, 1) })
  return { pixels, planes }
}

test('a box is drawn in the color of its class, in all three planes', () => {
  const { pixels, planes } = painted([{ ...DOG, box: [...DOG.box] }])
  using _ = pixels
  const [, u = 0, v = 0] = colorAt(planes, 300, 90)
  // yellow: little blue, red a little above green
  assert.deepStrictEqual(colorAt(planes, 300, 90), colorAt(planes, 160, 200))
  assert.ok(u < 90 && v > 128, `u ${u}, v ${v}`)
})

test('the inside of a box is unchanged', () => {
  const { pixels, planes } = painted([{ ...DOG, box: [...DOG.box] }])
  using _ = pixels
  const { pixels: plain, planes: before } = painted([])
  using __ = plain
  assert.deepStrictEqual(colorAt(planes, 320, 180), colorAt(before, 320, 180))
})

test('label and time are written with edges between dark and bright', () => {
  const { pixels, planes } = painted([{ ...DOG, box: [...DOG.box] }])
  using _ = pixels
  const row = (y: number, from: number, to: number) => [
    ...planes.y.subarray(y * planes.strideY + from, y * planes.strideY + to),
  ]
  const label = row(90 - 10, 160, 230)
  assert.ok(Math.min(...label) < 50 && Math.max(...label) > 150)
  const clock = row(Math.round(360 - 9 * 2), 8, 170)
  assert.ok(Math.min(...clock) < 60 && Math.max(...clock) > 200)
})

test('boxes of any size and position are drawn inside the frame', () => {
  for (const box of [
    [-0.5, -0.5, 2, 2],
    [0.99, 0.99, 0.5, 0.5],
    [0.5, 0, 0, 0],
  ] as [number, number, number, number][]) {
    const { pixels } = painted([{ ...DOG, label: 'ñ…🐶'.repeat(40), box }])
    using _ = pixels
    assert.ok(pixels.width === SIZE.width)
  }
})
