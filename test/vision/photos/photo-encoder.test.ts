import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CapturedFrame } from '#services/vision/frame/captured-frame.ts'
import { encodePhoto, encodePhotoWithin } from '#services/vision/photos/photo-encoder.ts'
import { noisyFrame, openJpeg, plainFrame } from '#test/vision/frames.ts'

const SMALL = { width: 320, height: 180 }

function captured(full: { width: number; height: number }) {
  return new CapturedFrame(
    { pixels: plainFrame(SMALL, [9, 9, 9]), full: noisyFrame(full, 1) },
    { at: 0, index: 0, live: true },
  )
}

test('a photo that is too large to send gets coarser, then smaller, until it fits (I09)', async () => {
  using picture = captured({ width: 1920, height: 1080 })
  const best = await encodePhoto(picture)
  assert.deepEqual([best.width, best.height], [1920, 1080])
  for (const part of [0.6, 0.2, 0.03]) {
    const most = Math.round(best.jpeg.length * part)
    const photo = await encodePhotoWithin(picture, most)
    assert.ok(photo.jpeg.length <= most, `${photo.jpeg.length} of ${most}`)
    using decoder = await openJpeg()
    using pixels = await decoder.decode(photo.jpeg)
    assert.deepEqual([pixels?.width, pixels?.height], [photo.width, photo.height])
  }
})
