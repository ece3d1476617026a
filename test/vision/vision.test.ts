import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { decodeAccessUnit } from '#bus/access-unit.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { VisionSection } from '#services/vision/config.ts'
import { startVision } from '#services/vision/index.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { openH264, openJpeg } from '#test/vision/frames.ts'

const CLIP = { type: 'url', url: 'demo/clip.mp4' }
const MINUTE = 60_000

/** The service on an in-memory broker, and a client that observes it. */
async function startTestVision(t: TestContext, section: object) {
  const memory = await memoryBus(t)
  const bus = await memory.connect('vision')
  const viewer = await memory.connect('viewer')
  const states = await collect(viewer, topics.serviceState, { service: 'vision' })
  const service = await startVision({
    bus,
    log: memory.log,
    config: {
      vision: VisionSection.parse({ snapshot_fps: 0, ...section }),
      privacy: { schedule: [] },
      webrtc: WebrtcSection.parse({}),
      data_dir: temporaryFolder(t),
    },
  })
  t.after(() => service[Symbol.asyncDispose]())
  return { memory, viewer, states }
}

const demand = (bitrate: number, layer = 'high', ahead = MINUTE) => ({
  codec: 'h264' as const,
  layers: { [layer]: { bitrate } },
  until: Date.now() + ahead,
})

test('video is encoded on demand, with keyframes on request', async (t) => {
  const { viewer, states } = await startTestVision(t, { source: CLIP, detector: { enabled: false } })
  const video = await collect(viewer, topics.video)
  await states.next({ within: 8_000, where: ({ camera_ok }) => camera_ok === true })
  assert.equal(video.all.length, 0, 'nothing is encoded without demand')
  await viewer.publish(topics.demand, demand(800_000, 'low'), { who: 'debug' })
  const { payload, params } = await video.next({ within: 8_000 })
  assert.equal(params.layer, 'low')
  const first = decodeAccessUnit(payload)
  assert.ok(first.keyframe)
  assert.ok(Math.abs(Date.now() - Number(first.capturedAt) / 1000) < 5_000)
  using decoder = await openH264()
  using pixels = await decoder.decode(first.data)
  assert.deepEqual([pixels?.width, pixels?.height], [640, 360])

  const second = decodeAccessUnit((await video.next()).payload)
  assert.equal(second.frame, first.frame + 1)
  assert.equal(second.keyframe, false)
  const ticks = (second.rtpTimestamp - first.rtpTimestamp + 2 ** 32) % 2 ** 32
  assert.ok(Math.abs(ticks / 90 - Number(second.capturedAt - first.capturedAt) / 1000) < 5)

  for (let i = 0; i < 5; i++) await viewer.publish(topics.keyframe, {}, { layer: 'low' })
  await video.next({ where: (unit) => decodeAccessUnit(unit).keyframe })
  await states.next({ where: ({ layers }) => JSON.stringify(layers) !== '{}' })
  await viewer.publish(topics.demand, null, { who: 'debug' })
  await states.next({ within: 8_000, where: ({ layers }) => JSON.stringify(layers) === '{}' })
})

test('keyframes are at least half a second apart, however often they are requested', async (t) => {
  const { viewer } = await startTestVision(t, { source: CLIP, detector: { enabled: false } })
  const video = await collect(viewer, topics.video)
  await viewer.publish(topics.demand, demand(800_000, 'low'), { who: 'debug' })
  const keyframes: number[] = []
  while (keyframes.length < 3) {
    const { payload } = await video.next({ within: 8_000 })
    const unit = decodeAccessUnit(payload)
    if (unit.keyframe) keyframes.push(Number(unit.capturedAt) / 1000)
    await viewer.publish(topics.keyframe, {}, { layer: 'low' })
  }
  const gaps = keyframes.slice(1).map((at, i) => at - (keyframes[i] ?? 0))
  // the picture before may have waited for its encoder
  assert.ok(
    gaps.every((gap) => gap > 400),
    `${gaps}`,
  )
})

test('a demand without an end counts while its service is online', async (t) => {
  const { memory, viewer } = await startTestVision(t, { source: CLIP, detector: { enabled: false } })
  const video = await collect(viewer, topics.video)
  const { until: _, ...endless } = demand(800_000, 'low')
  await viewer.publish(topics.demand, endless, { who: 'webrtc' })
  const webrtc = await memory.connect('webrtc')
  await video.next({ within: 8_000 })
  await webrtc[Symbol.asyncDispose]()
  const gone = await collect(viewer, topics.video)
  // what was under way still comes; then it ends
  await assert.rejects(async () => {
    for (let i = 0; i < 20; i++) await gone.next({ within: 500 })
  }, /nothing on/)
})

test('the dog is detected and published, and a snapshot comes on request', async (t) => {
  const { viewer, states } = await startTestVision(t, { source: CLIP, detector: { labels: ['dog'] } })
  const detections = await collect(viewer, topics.detections)
  const frames = await collect(viewer, topics.frame)
  await states.next({
    within: 15_000,
    where: ({ detector }) => (detector as { ok: boolean } | undefined)?.ok === true,
  })
  const { payload } = await detections.next({ within: 15_000, where: ({ objects }) => objects.length > 0 })
  const [dog] = payload.objects
  assert.equal(dog?.label, 'dog')
  assert.ok(dog.score >= 0.5 && dog.box.every((value) => value >= 0 && value <= 1))
  assert.ok(payload.inference_ms > 0 && Math.abs(Date.now() - payload.captured_at) < 10_000)
  await viewer.publish(topics.frameRequest, {})
  using decoder = await openJpeg()
  using pixels = await decoder.decode((await frames.next()).payload)
  assert.deepEqual([pixels?.width, pixels?.height], [1280, 720])
})

test('without a model the video continues, and state and log have the reason', async (t) => {
  const detector = { model: 'models/no-such-model.onnx' }
  const { memory, viewer, states } = await startTestVision(t, { source: CLIP, detector })
  const video = await collect(viewer, topics.video)
  await viewer.publish(topics.demand, demand(800_000, 'low'), { who: 'debug' })
  const told = await states.next({
    within: 15_000,
    where: ({ detector }) =>
      /no-such-model/.test(String((detector as { error?: string } | undefined)?.error)),
  })
  assert.equal((told.payload.detector as { ok: boolean }).ok, false)
  assert.ok(memory.logged.some(({ msg, level }) => level === 'warn' && msg === 'detector failed, retrying'))
  await video.next({ within: 8_000 })
})

test('without a camera a placeholder is sent, and the state has the reason', async (t) => {
  const source = { type: 'exec', command: ['/no/such/camera'], format: 'mjpeg' }
  const { viewer, states } = await startTestVision(t, { source, detector: { enabled: false } })
  const video = await collect(viewer, topics.video)
  await viewer.publish(topics.demand, demand(1_000_000), { who: 'debug' })
  const { payload } = await states.next({
    within: 8_000,
    where: ({ camera_error }) => /not found/.test(String(camera_error)),
  })
  assert.equal(payload.camera_ok, false)
  using decoder = await openH264()
  using pixels = await decoder.decode(decodeAccessUnit((await video.next({ within: 8_000 })).payload).data)
  assert.deepEqual([pixels?.width, pixels?.height], [1280, 720])
})
