import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { writeOnnx } from '#dev/harness/onnx-writer.ts'
import { staysTrue, until } from '#dev/harness/until.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { VisionSection } from '#services/vision/config.ts'
import { startVision } from '#services/vision/index.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { MODELS } from '../detect/known-models.ts'

const MAX_FPS = 10

/** The service on the demo clip, with a folder of models of its own. */
async function startWithModels(t: TestContext) {
  const memory = await memoryBus(t)
  const dataDir = temporaryFolder(t)
  mkdirSync(join(dataDir, 'models'))
  const bus = await memory.connect('vision')
  const app = await memory.connect('app')
  const states = await collect(app, topics.serviceState, { service: 'vision' })
  const service = await startVision({
    bus,
    log: memory.log,
    config: {
      vision: VisionSection.parse({
        source: { type: 'url', url: 'demo/clip.mp4' },
        snapshot_fps: 0,
        detector: { labels: [], max_fps: MAX_FPS },
      }),
      privacy: { schedule: [] },
      webrtc: WebrtcSection.parse({}),
      data_dir: dataDir,
    },
  })
  t.after(() => service[Symbol.asyncDispose]())
  const ready = (state: Record<string, unknown>) =>
    (state.detector as { ok?: boolean } | undefined)?.ok === true
  await states.next({ within: 20_000, where: ready })
  const results = await collect(app, topics.commandResult)
  let count = 0
  async function send(params: Record<string, unknown>) {
    const id = `set-${++count}`
    const command = { id, name: 'set_detector', params, source: 'relay' as const, received_at: Date.now() }
    await app.publish(topics.command, command, { name: 'set_detector' })
    return (await results.next({ within: 20_000, where: (result) => result.id === id })).payload
  }
  const write = (name: string, bytes: Buffer) => {
    const path = join(dataDir, 'models', name)
    writeFileSync(path, bytes)
    return path
  }
  return { app, send, write }
}

test('another model replaces the first without a gap in video or detections', async (t) => {
  const { app, send, write } = await startWithModels(t)
  const known = MODELS['RT-DETR of Ultralytics']
  assert.ok(known)
  const path = write('other.onnx', writeOnnx(known.draft))
  const times: number[] = []
  const looks: { at: number; labels: string[] }[] = []
  using _video = await app.subscribe(topics.video, () => void times.push(performance.now()))
  using _seen = await app.subscribe(topics.detections, ({ objects }) => {
    looks.push({ at: performance.now(), labels: objects.map(({ label }) => label) })
  })
  const layers = { low: { bitrate: 400_000 } }
  await app.publish(topics.demand, { codec: 'h264', layers, until: Date.now() + 60_000 }, { who: 'debug' })
  await until(() => times.length > 10 && looks.length > 2, { show: () => [times.length, looks.length] })

  const began = performance.now()
  const result = await send({ model: path, names: ['cat', 'puppy', 'bird'] })
  const loaded = performance.now()
  assert.deepEqual([result.success, result.format, result.classes], [true, 'rtdetr', 3])
  await until(() => looks.at(-1)?.labels.join() === 'puppy', { show: () => looks.at(-1) })
  const back = await send({ model: 'models/ssdlite-mobilenet-v2-300.onnx' })
  assert.deepEqual([back.success, back.format, back.classes], [true, 'yolov8', 80])
  const { length } = looks
  await until(() => looks.length > length + 2, { show: () => looks.length })

  const longest = (list: number[]) => Math.max(...list.slice(1).map((at, i) => at - (list[i] ?? 0)))
  const gaps = [longest(times), longest(looks.map(({ at }) => at))]
  t.diagnostic(`longest gap of video ${gaps[0]?.toFixed(0)} ms, of detections ${gaps[1]?.toFixed(0)} ms`)
  const during = (list: number[]) => list.filter((at) => at > began && at < loaded).length
  assert.ok(during(times) > 0 && during(looks.map(({ at }) => at)) > 0, 'both go on while it is loaded')
  // on a machine that is busy with other tests; loading a model in their way would take longer there
  assert.ok(
    gaps.every((gap) => gap < 2_000),
    `${gaps}`,
  )
})

test('a model that cannot be used leaves the old one in use, and the result has the reason', async (t) => {
  const { app, send, write } = await startWithModels(t)
  const refused = async (params: Record<string, unknown>, why: RegExp) => {
    const { success, error } = await send(params)
    assert.equal(success, false)
    assert.match(String(error), why)
  }
  const classifier = {
    inputs: [{ name: 'x', shape: [1, 3, 64, 64] }],
    outputs: [{ name: 'y', shape: [1, 1000] }],
  }
  await refused({ model: write('classifier.onnx', writeOnnx(classifier)) }, /y float32 \[1, 1000\]/)
  await refused({ model: write('broken.onnx', Buffer.from('no model')) }, /protobuf|parse|load/i)
  await refused({ model: 'models/none.onnx' }, /^models\/none.onnx: no such file in models/)
  // the same answer for files that exist and files that do not
  await refused({ model: '/etc/no-such-file' }, /no such file in models/)
  await refused({ model: '/etc/passwd' }, /no such file in models/)
  await refused({ model: 'models/../package.json' }, /no such file in models/)
  await refused({ names: '/etc/passwd' }, /no such file in models/)
  const link = join(dirname(write('whole.onnx', writeOnnx(classifier))), 'link.onnx')
  symlinkSync('/etc/passwd', link)
  await refused({ model: link }, /no such file in models/)
  await refused({ min_score: 7 }, /min_score/)
  await refused({ color: 'pink' }, /color/)
  const detections = await collect(app, topics.detections)
  await detections.next({ within: 5_000 })
})

test('labels, scores and rate change at once, and the detector can be disabled and enabled', async (t) => {
  const { app, send } = await startWithModels(t)
  const detections = await collect(app, topics.detections)
  await detections.next({
    within: 15_000,
    where: ({ objects }) => objects.some(({ label }) => label === 'dog'),
  })
  assert.equal((await send({ labels: ['elephant'] })).success, true)
  await detections.next({ within: 5_000, where: ({ objects }) => objects.length === 0 })
  const none = await collect(app, topics.detections)
  for (let i = 0; i < 10; i++) assert.deepEqual((await none.next({ within: 5_000 })).payload.objects, [])

  assert.equal((await send({ enabled: false })).success, true)
  const off = await collect(app, topics.detections)
  await off.next({ within: 500 }).catch(() => {}) // the picture that was being looked at
  const { length } = off.all
  await staysTrue(() => off.all.length === length, 1_000)
  const states = await collect(app, topics.serviceState, { service: 'vision' })
  const on = await send({ enabled: true, max_fps: 2, min_score: 0.4, labels: [] })
  assert.deepEqual([on.success, on.max_fps], [true, 2])
  await states.next({ within: 10_000, where: ({ detector }) => Object(detector).min_score === 0.4 })
  await off.next({ within: 5_000 })
})
