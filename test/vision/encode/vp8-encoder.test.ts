import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKeyframe } from '#bus/ivf.ts'
import { Vp8Encoder } from '#services/vision/encode/vp8-encoder.ts'
import { noisyFrame } from '#test/vision/frames.ts'

const FPS = 15
const SIZE = { width: 640, height: 360 }
const OPTIONS = { ...SIZE, fps: FPS, bitrate: 600_000, matrix: 'bt601' as const }

test('VP8: keyframes come first and on request only, and the bitrate is kept', async () => {
  using encoder = await Vp8Encoder.open(OPTIONS)
  let bytes = 0
  for (let index = 0; index < 45; index++) {
    using pixels = noisyFrame(SIZE, index)
    const data = await encoder.encode(pixels, { at: (index * 1000) / FPS, keyframe: index === 7 })
    assert.equal(isKeyframe(data), index === 0 || index === 7, `picture ${index}`)
    if (index >= 15) bytes += data.length
  }
  assert.ok((bytes * 8 * FPS) / 30 < OPTIONS.bitrate * 1.4, `${bytes} bytes in 2 s`)
})

test('VP8: an encoder does not fit another size', async () => {
  using encoder = await Vp8Encoder.open(OPTIONS)
  assert.ok(encoder.fits(OPTIONS))
  assert.ok(!encoder.fits({ ...OPTIONS, width: 320 }))
})
