import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCanvas, loadImage } from '@napi-rs/canvas'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import { plainFrame } from '#test/vision/frames.ts'

test('a JPEG has the right colors in another decoder', async () => {
  for (const size of [
    { width: 1280, height: 720 },
    { width: 640, height: 480 },
  ]) {
    using encoder = await JpegEncoder.open(size)
    using pixels = plainFrame(size, [220, 60, 30])
    const image = await loadImage(await encoder.encode(pixels))
    const context = createCanvas(size.width, size.height).getContext('2d')
    context.drawImage(image, 0, 0)
    const [red = 0, green = 0, blue = 0] = context.getImageData(100, 100, 1, 1).data
    for (const [value, expected] of [
      [red, 220],
      [green, 60],
      [blue, 30],
    ] as const) {
      assert.ok(Math.abs(value - expected) <= 4, `${red}, ${green}, ${blue}`)
    }
  }
})
