import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ModelInput } from '#services/vision/detect/model-io.ts'
import { createPreprocessor, place, type Yuv420 } from '#services/vision/detect/preprocess.ts'
import { toYuv } from '#services/vision/image/color.ts'

const byte = fc.integer({ min: 0, max: 255 })
const TARGET = { width: 10, height: 6 }
const LAYOUT: ModelInput = { size: TARGET, letterbox: 'stretch', scale: 'unit', colours: 'rgb' }

function picture(
  width: number,
  height: number,
  [y, u, v]: readonly number[],
  matrix: Yuv420['matrix'],
): Yuv420 {
  const area = width * height
  return {
    width,
    height,
    matrix,
    y: new Uint8Array(area).fill(y ?? 0),
    u: new Uint8Array(area / 4).fill(u ?? 0),
    v: new Uint8Array(area / 4).fill(v ?? 0),
  }
}

test('colors survive the conversion to YUV and back, with both matrices', () => {
  const out = new Float32Array(3 * TARGET.width * TARGET.height)
  const preprocess = createPreprocessor(LAYOUT)
  fc.assert(
    fc.property(byte, byte, byte, fc.constantFrom('bt601' as const, 'bt709' as const), (r, g, b, matrix) => {
      preprocess(picture(32, 20, toYuv([r, g, b], matrix), matrix), out)
      const area = TARGET.width * TARGET.height
      for (const [plane, value] of [r, g, b].entries()) {
        assert.ok(Math.abs((out[plane * area + 17] ?? 0) * 255 - value) < 3)
      }
    }),
  )
})

test('a ramp stays a ramp, sampled at pixel centers', () => {
  const source = picture(40, 12, [16, 128, 128], 'bt601')
  for (let i = 0; i < source.y.length; i++) source.y[i] = 16 + (i % 40) * 5
  const out = new Float32Array(3 * TARGET.width * TARGET.height)
  createPreprocessor(LAYOUT)(source, out)
  // 4 source pixels to one: the centre of output pixel x lies at source position 4x + 1.5
  for (let x = 0; x < TARGET.width; x++) {
    assert.ok(Math.abs((out[x] ?? 0) - ((4 * x + 1.5) * 5) / 219) < 1e-5)
  }
})

test('a letterbox keeps the aspect ratio and pads with gray', () => {
  const size = { width: 64, height: 64 }
  const wide = { width: 128, height: 72 }
  assert.deepEqual(place(wide, { size, letterbox: 'stretch' }), { ...size, left: 0, top: 0 })
  assert.deepEqual(place(wide, { size, letterbox: 'centre' }), { width: 64, height: 36, left: 0, top: 14 })
  assert.deepEqual(place(wide, { size, letterbox: 'top-left' }), { width: 64, height: 36, left: 0, top: 0 })
  assert.deepEqual(place({ width: 72, height: 128 }, { size, letterbox: 'centre' }), {
    width: 36,
    height: 64,
    left: 14,
    top: 0,
  })
  const out = new Float32Array(3 * 64 * 64)
  createPreprocessor({ ...LAYOUT, size, letterbox: 'centre' })(
    picture(128, 72, [235, 128, 128], 'bt601'),
    out,
  )
  const column = (row: number) => Math.round((out[row * 64 + 30] ?? 0) * 255)
  assert.deepEqual([0, 13, 14, 49, 50, 63].map(column), [114, 114, 255, 255, 114, 114])
})

test('values are scaled and colors ordered for the model', () => {
  const red = picture(32, 20, toYuv([255, 0, 0], 'bt601'), 'bt601')
  const first = (layout: Partial<ModelInput>) => {
    const out = new Float32Array(3 * TARGET.width * TARGET.height)
    createPreprocessor({ ...LAYOUT, ...layout })(red, out)
    return [0, 1, 2].map((plane) => Math.round((out[plane * 60 + 17] ?? 0) * 10) / 10)
  }
  assert.deepEqual(first({}), [1, 0, 0])
  assert.deepEqual(first({ colours: 'bgr' }), [0, 0, 1])
  const [r = 0, g = 0] = first({ scale: 'byte' })
  assert.ok(r > 252 && g < 3)
  // (1 - mean) / deviation of red, -mean / deviation of green and blue
  assert.deepEqual(first({ scale: 'imagenet' }), [2.2, -2, -1.8])
  assert.deepEqual(first({ scale: 'imagenet', colours: 'bgr' }), [-1.8, -2, 2.2])
})
