import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Input } from '#services/vision/camera/sources/input.ts'
import { DetectorSection } from '#services/vision/config.ts'
import { loadModel } from '#services/vision/detect/model.ts'
import { formatText } from '#services/vision/detect/model-io.ts'
import { type Box, iou } from '#services/vision/detect/nms.ts'
import { copyShared } from '#services/vision/detect/shared-frame.ts'
import { planesOf } from '#services/vision/image/pixels.ts'

const MODEL = 'models/ssdlite-mobilenet-v2-300.onnx'
const SETTINGS = DetectorSection.parse({})
const EVERY = 5

type Truth = [x: number, y: number, width: number, height: number, visible: number] | null

test('the default model is the one of models/README.md', () => {
  const sum = createHash('sha256').update(readFileSync(MODEL)).digest('hex')
  assert.ok(readFileSync('models/README.md', 'utf8').includes(sum))
})

test('the default model is named as what it is, and its output format as a guess', async () => {
  await using model = await loadModel(SETTINGS)
  assert.equal(model.facts.description, 'SSDLite MobileNetV2 300x300, COCO')
  assert.equal(formatText(model.facts), 'yolov8 (guessed from the shape of its output)')
})

/** Every fifth picture of the clip and what the model sees in it. */
async function* lookAtClip(signal: AbortSignal) {
  await using input = await Input.open('demo/clip.mp4', { signal })
  await using model = await loadModel(SETTINGS)
  for (let index = 0; ; index++) {
    const next = await input.next()
    if (!next) return
    using pixels = next.pixels
    if (index % EVERY === 0) yield { index, ...(await model.detect(copyShared(planesOf(pixels)), 0.5)) }
  }
}

test('the model detects dog and cat in the demo clip at their true positions', async (t) => {
  const truth: { dog: Truth[]; cat: Truth[] } = JSON.parse(readFileSync('demo/clip.json', 'utf8'))
  const found = { dog: 0, cat: 0 }
  const there = { dog: 0, cat: 0 }
  for await (const { index, candidates } of lookAtClip(t.signal)) {
    for (const label of ['dog', 'cat'] as const) {
      const expected = truth[label][index]
      if (!expected || expected[4] < 0.5) continue
      const box = expected.slice(0, 4) as Box
      there[label]++
      if (candidates.some((one) => one.label === label && iou(one.box, box) > 0.4)) found[label]++
    }
  }
  t.diagnostic(`dog ${found.dog}/${there.dog}, cat ${found.cat}/${there.cat}`)
  assert.ok(there.dog > 80 && there.cat > 40)
  assert.ok(found.dog >= there.dog * 0.95)
  assert.ok(found.cat >= there.cat * 0.95)
})

test('the memory of the results is returned after each inference', async (t) => {
  await using input = await Input.open('demo/clip.mp4', { signal: t.signal })
  await using model = await loadModel(SETTINGS)
  using pixels = (await input.next())?.pixels
  assert.ok(pixels)
  const image = copyShared(planesOf(pixels))
  const before = process.memoryUsage().external
  for (let i = 0; i < 20; i++) await model.detect(image, 0.5)
  const kept = process.memoryUsage().external - before
  t.diagnostic(`${Math.round(kept / 1024)} KiB`)
  // one result has 644 KB
  assert.ok(kept < 2_000_000, `${kept} bytes of results are kept`)
})

test('a file that is not a model is rejected', async () => {
  await assert.rejects(loadModel({ ...SETTINGS, model: 'demo/dog.png' }))
  await assert.rejects(loadModel({ ...SETTINGS, model: 'models/no-such-file.onnx' }), /not found/)
})
