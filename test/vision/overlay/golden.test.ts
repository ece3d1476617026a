import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { createCanvas, loadImage } from '@napi-rs/canvas'
import { Encoder } from '#services/vision/encode/encoder.ts'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import type { Size } from '#services/vision/image/fit.ts'
import { matrixOf, planesOf } from '#services/vision/image/pixels.ts'
import { paintOverlay, type Scene } from '#services/vision/overlay/overlay.ts'
import { openH264, plainFrame } from '#test/vision/frames.ts'
import { toRgba } from './rgba.ts'

/** `WRITE_GOLDEN=1 node --test test/vision/overlay/golden.test.ts` redraws them; check them before you commit. */
const WRITE = process.env.WRITE_GOLDEN === '1'
/** A channel may differ by so much, in so many of a thousand pixels: fonts are drawn the same way everywhere, almost. */
const TOLERANCE = { channel: 24, perMille: 5 }

const LARGE = { width: 1280, height: 720 }
const SMALL = { width: 640, height: 360 }
const TIME = new Date(2026, 10, 23, 8, 5, 9).getTime()
const object = (
  label: string,
  score: number,
  box: Scene['objects'][number]['box'],
  track_id: number | null,
) => ({
  ...{ label, score, box },
  track_id,
})

const SCENES: Record<string, { size: Size; scene: Scene }> = {
  large: {
    size: LARGE,
    scene: {
      objects: [
        object('dog', 0.92, [0.1, 0.3, 0.3, 0.6], 3),
        object('cat', 0.71, [0.35, 0.32, 0.2, 0.3], 12),
        object('person', 0.55, [0.7, 0, 0.25, 0.95], null),
      ],
      time: TIME,
      mode: 'silent_guardian',
      nameOf: (label) => (label === 'dog' ? 'Žofka ß 🐶' : undefined),
    },
  },
  small: {
    size: SMALL,
    scene: { objects: [object('dog', 0.875, [0.3, 0.05, 0.4, 0.8], 7)], time: TIME, mode: 'coach' },
  },
  bare: { size: SMALL, scene: { objects: [], time: TIME } },
}

for (const [name, { size, scene }] of Object.entries(SCENES)) {
  test(`the overlay matches its golden image: ${name}`, async () => {
    using pixels = plainFrame(size, [70, 90, 110])
    paintOverlay(planesOf(pixels), scene)
    const drawn = toRgba(planesOf(pixels))
    const file = new URL(`golden/${name}.png`, import.meta.url)
    if (WRITE || !existsSync(file)) {
      const canvas = createCanvas(size.width, size.height)
      const image = canvas.getContext('2d').createImageData(size.width, size.height)
      image.data.set(drawn)
      canvas.getContext('2d').putImageData(image, 0, 0)
      writeFileSync(file, canvas.toBuffer('image/png'))
      assert.ok(WRITE, `${file.pathname} was not there: look at it, then run again`)
    }
    const golden = await decodePng(readFileSync(file), size)
    let different = 0
    for (let at = 0; at < golden.length; at += 4) {
      const far = [0, 1, 2].some(
        (i) => Math.abs((golden[at + i] ?? 0) - (drawn[at + i] ?? 0)) > TOLERANCE.channel,
      )
      if (far) different++
    }
    const perMille = (different * 1000) / (size.width * size.height)
    assert.ok(perMille <= TOLERANCE.perMille, `${perMille.toFixed(1)} of 1000 pixels differ`)
  })
}

async function decodePng(png: Buffer, { width, height }: Size): Promise<Uint8ClampedArray> {
  const context = createCanvas(width, height).getContext('2d')
  context.drawImage(await loadImage(png), 0, 0)
  return context.getImageData(0, 0, width, height).data
}

const COLORS = [
  [200, 30, 30],
  [30, 180, 40],
  [30, 50, 200],
] as const

for (const size of [LARGE, SMALL]) {
  test(`red stays red through H.264 and JPEG at ${size.height} lines (E06, E07)`, async () => {
    for (const color of COLORS) {
      using pixels = plainFrame(size, color)
      const expected = [...color, 255]
      using encoder = await Encoder.open({ ...size, fps: 15, bitrate: 1_500_000, matrix: matrixOf(pixels) })
      using decoder = await openH264()
      using decoded = await decoder.decode(await encoder.encode(pixels, { at: 1, keyframe: true }))
      assert.ok(decoded)
      assertNear(toRgba(planesOf(decoded)), size, expected)
      using jpeg = await JpegEncoder.open(size)
      assertNear(await decodePng(await jpeg.encode(pixels), size), size, expected)
    }
  })
}

/** The pixel in the middle. */
function assertNear(rgba: Uint8ClampedArray, { width, height }: Size, expected: readonly number[]): void {
  const at = ((height / 2) * width + width / 2) * 4
  const found = [...rgba.subarray(at, at + 4)]
  assert.ok(
    found.every((value, i) => Math.abs(value - (expected[i] ?? 0)) <= 6),
    `${found} instead of ${expected}`,
  )
}
