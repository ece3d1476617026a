import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCanvas, loadImage } from '@napi-rs/canvas'
import { DetectorSection } from '#services/vision/config.ts'
import { loadModel } from '#services/vision/detect/model.ts'
import { type Box, iou } from '#services/vision/detect/nms.ts'
import type { Yuv420 } from '#services/vision/detect/preprocess.ts'
import { toYuv } from '#services/vision/image/color.ts'

const WIDTH = 640
const HEIGHT = 480
/** As high as half the picture. */
const DOG = HEIGHT / 2
const OPAQUE = 128

/** The dog of the demo on plain gray with its left top corner there, and the box around what is not see-through. */
async function dogAt(left: number, top: number): Promise<{ picture: Yuv420; box: Box }> {
  const image = await loadImage('demo/dog.png')
  const context = createCanvas(WIDTH, HEIGHT).getContext('2d')
  context.drawImage(image, left, top, (image.width / image.height) * DOG, DOG)
  const { data: alone } = context.getImageData(0, 0, WIDTH, HEIGHT)
  const box = opaqueBox(alone)
  context.globalCompositeOperation = 'destination-over'
  context.fillStyle = 'rgb(150, 150, 150)'
  context.fillRect(0, 0, WIDTH, HEIGHT)
  return { picture: toPicture(context.getImageData(0, 0, WIDTH, HEIGHT).data), box }
}

function opaqueBox(rgba: Uint8ClampedArray): Box {
  let [x1, y1, x2, y2] = [WIDTH, HEIGHT, 0, 0]
  for (let at = 0; at < WIDTH * HEIGHT; at++) {
    if ((rgba[at * 4 + 3] ?? 0) < OPAQUE) continue
    const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)]
    x1 = Math.min(x1, x)
    x2 = Math.max(x2, x + 1)
    y1 = Math.min(y1, y)
    y2 = Math.max(y2, y + 1)
  }
  return [x1 / WIDTH, y1 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT]
}

function toPicture(rgba: Uint8ClampedArray): Yuv420 {
  const y = new Uint8Array(WIDTH * HEIGHT)
  const u = new Uint8Array(y.length / 4)
  const v = new Uint8Array(y.length / 4)
  for (let at = 0; at < y.length; at++) {
    const [red = 0, green = 0, blue = 0] = rgba.subarray(at * 4, at * 4 + 3)
    const color = toYuv([red, green, blue], 'bt601')
    const chroma = Math.floor(at / WIDTH / 2) * (WIDTH / 2) + Math.floor((at % WIDTH) / 2)
    y[at] = color[0]
    u[chroma] = color[1]
    v[chroma] = color[2]
  }
  return { width: WIDTH, height: HEIGHT, matrix: 'bt601', y, u, v }
}

test('the default model finds a dog on a plain background where it is', async (t) => {
  await using model = await loadModel(DetectorSection.parse({}))
  for (const [left, top] of [
    [60, 120],
    [300, 200],
  ] as const) {
    const { picture, box } = await dogAt(left, top)
    const { candidates } = await model.detect(picture, 0.5)
    const [best] = candidates
    t.diagnostic(`${best?.label} ${best?.score.toFixed(2)}, IoU ${best ? iou(best.box, box).toFixed(2) : 0}`)
    assert.equal(best?.label, 'dog')
    assert.ok(iou(best.box, box) > 0.7)
  }
})
