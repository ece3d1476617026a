import assert from 'node:assert/strict'
import { copyFile, mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { VisionSection } from '#services/vision/config.ts'
import { Detector } from '#services/vision/detect/detector.ts'
import { CapturedFrame } from '#services/vision/frame/captured-frame.ts'
import { plainFrame } from '#test/vision/frames.ts'

const MODEL = 'models/ssdlite-mobilenet-v2-300.onnx'
const SIZE = { width: 320, height: 240 }

function openDetector(t: TestContext, model: string) {
  const log = createLogger('test', { write() {} })
  const drops = createEventCounter(log, 'dropped')
  t.after(() => drops[Symbol.dispose]())
  let looked = 0
  const detector = new Detector({
    config: VisionSection.parse({ detector: { model, max_fps: 60 } }).detector,
    log,
    drops,
  })
  detector.on('detections', () => void looked++)
  detector.start()
  t.after(() => detector[Symbol.asyncDispose]())
  return {
    detector,
    drops,
    looked: () => looked,
    until: (met: () => boolean) => until(met, { deadline: 20_000, show: () => detector.summary }),
  }
}

function pictureOf(index: number): CapturedFrame {
  const pixels = plainFrame(SIZE, [90, 90, 90])
  return new CapturedFrame({ pixels: pixels }, { at: index * 100, index, live: true })
}

test('a damaged model is reported, and loaded again until it is intact', async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wimz-model-'))
  const path = join(folder.path, 'model.onnx')
  await writeFile(path, 'no model at all')
  const { detector, until } = openDetector(t, path)
  await until(() => detector.summary.error !== 'starting')
  assert.equal(detector.summary.ok, false)
  assert.match(String(detector.summary.error), /protobuf|parse|load/i)
  await copyFile(MODEL, path)
  await until(() => detector.summary.ok)
  await detector[Symbol.asyncDispose]()
})

test('frames that arrive faster than inferences are dropped, the newest is not', async (t) => {
  const { detector, drops, looked, until } = openDetector(t, MODEL)
  await until(() => detector.summary.ok)
  for (let index = 0; index < 10; index++) {
    using captured = pictureOf(index)
    detector.offer(captured)
  }
  await detector[Symbol.asyncDispose]()
  // one in work; of the others one waits, and disposing gives that one up
  assert.equal(looked(), 1)
  assert.equal(drops.totals.detector_too_slow, 8)
})
