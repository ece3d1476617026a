import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toYuv } from '#services/vision/colour.ts'
import { createStretcher, type Yuv420 } from '#services/vision/detect/stretch.ts'

const byte = fc.integer({ min: 0, max: 255 })
const TARGET = { width: 10, height: 6 }

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

test('a colour survives the way to YUV and back, with either matrix', () => {
  const out = new Float32Array(3 * TARGET.width * TARGET.height)
  const stretch = createStretcher(TARGET)
  fc.assert(
    fc.property(byte, byte, byte, fc.constantFrom('bt601' as const, 'bt709' as const), (r, g, b, matrix) => {
      stretch(picture(32, 20, toYuv([r, g, b], matrix), matrix), out)
      const area = TARGET.width * TARGET.height
      for (const [plane, value] of [r, g, b].entries()) {
        assert.ok(Math.abs((out[plane * area + 17] ?? 0) * 255 - value) < 3)
      }
    }),
  )
})

test('a ramp stays a ramp, sampled at the centres of the pixels', () => {
  const source = picture(40, 12, [16, 128, 128], 'bt601')
  for (let i = 0; i < source.y.length; i++) source.y[i] = 16 + (i % 40) * 5
  const out = new Float32Array(3 * TARGET.width * TARGET.height)
  createStretcher(TARGET)(source, out)
  // 4 source pixels to one: the centre of output pixel x lies at source position 4x + 1.5
  for (let x = 0; x < TARGET.width; x++) {
    assert.ok(Math.abs((out[x] ?? 0) - ((4 * x + 1.5) * 5) / 219) < 1e-5)
  }
})
