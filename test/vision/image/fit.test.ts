import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fit } from '#services/vision/image/fit.ts'

const side = fc.integer({ min: 2, max: 4096 })
const size = fc.record({ width: side, height: side })

test('the fitted size is even, inside the box, and never larger than the source', () => {
  fc.assert(
    fc.property(size, size, (source, box) => {
      const { width, height } = fit(source, box)
      assert.ok(width % 2 === 0 && height % 2 === 0 && width >= 2 && height >= 2)
      assert.ok(width <= box.width && height <= box.height)
      assert.ok(width <= source.width && height <= source.height)
    }),
  )
})

test('the layers of a 16:9 camera have their usual sizes, a 4:3 one keeps its shape (E13)', () => {
  const hd = { width: 1280, height: 720 }
  assert.deepEqual(fit({ width: 1920, height: 1080 }, hd), hd)
  assert.deepEqual(fit(hd, { width: 960, height: 540 }), { width: 960, height: 540 })
  assert.deepEqual(fit({ width: 640, height: 480 }, hd), { width: 640, height: 480 })
  assert.deepEqual(fit({ width: 640, height: 480 }, { width: 640, height: 360 }), { width: 480, height: 360 })
})
