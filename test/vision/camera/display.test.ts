import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Frame } from 'node-av/lib'
import { Rational } from 'node-av/lib'
import { FrameNormalizer } from '#services/vision/camera/frame-normalizer.ts'
import { openMjpegReader } from '#services/vision/camera/sources/packet-reader.ts'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import { planesOf } from '#services/vision/image/pixels.ts'
import { fillRect } from '#services/vision/overlay/paint.ts'
import { plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 64, height: 32 }

/** A dark frame with a bright upper left corner. */
function cornerFrame(): Frame {
  const pixels = plainFrame(SIZE, [10, 10, 10])
  fillRect(planesOf(pixels), { x: 0, y: 0, width: 16, height: 16 }, [235, 128, 128])
  return pixels
}

/** Inserts an EXIF segment with this orientation. EXIF 2.32 §4.6.4, tag 0x0112. */
function withOrientation(jpeg: Buffer, orientation: number): Buffer {
  const tiff = Buffer.from('4d4d002a00000008000101120003000000010000000000000000', 'hex')
  tiff.writeUInt16BE(orientation, 18)
  const body = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff])
  const head = Buffer.from([0xff, 0xe1, 0, 0])
  head.writeUInt16BE(body.length + 2, 2)
  return Buffer.concat([jpeg.subarray(0, 2), head, body, jpeg.subarray(2)])
}

async function normalized(pixels: Frame) {
  using normalizer = new FrameNormalizer({
    source: { type: 'synthetic' },
    width: 1280,
    height: 720,
    fps: 15,
    rotate: 0,
    flip: 'none',
  })
  const images = await normalizer.normalize({ pixels, lores: undefined })
  assert.ok(images)
  using shown = images.pixels
  const { width, height, y, strideY } = planesOf(shown)
  const bright = (x: number, row: number) => (y[row * strideY + x] ?? 0) > 150
  const vertical = bright(4, 4) || bright(width - 5, 4) ? 'upper' : 'lower'
  const horizontal = bright(4, 4) || bright(4, height - 5) ? 'left' : 'right'
  return `${width}x${height} ${vertical} ${horizontal}`
}

test('the EXIF orientation of a JPEG is applied', async () => {
  using encoder = await JpegEncoder.open(SIZE)
  using corner = cornerFrame()
  const jpeg = await encoder.encode(corner)
  const shown: string[] = []
  for (let orientation = 1; orientation <= 8; orientation++) {
    const { promise, resolve } = Promise.withResolvers<Frame>()
    using reader = await openMjpegReader(resolve)
    await reader.read(withOrientation(jpeg, orientation))
    shown.push(await normalized(await promise))
  }
  assert.deepEqual(shown, [
    '64x32 upper left',
    '64x32 upper right',
    '64x32 lower right',
    '64x32 lower left',
    '32x64 upper left',
    '32x64 upper right',
    '32x64 lower right',
    '32x64 lower left',
  ])
})

test('pixels that are not square are made so', async () => {
  const pixels = cornerFrame()
  pixels.sampleAspectRatio = new Rational(2, 1)
  assert.equal(await normalized(pixels), '128x32 upper left')
})
