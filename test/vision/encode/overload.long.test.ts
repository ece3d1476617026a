import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeAccessUnit } from '#bus/access-unit.ts'
import { LAYERS, type Layer } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { VisionSection } from '#services/vision/config.ts'
import { startVision } from '#services/vision/index.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

interface Load {
  level: number
  detection: number
  steps: number
  age_ms: { p50: number; p95: number } | null
}

const RATE = 1_000_000
const everything = Object.fromEntries(LAYERS.map((layer) => [layer, { bitrate: RATE }]))
const inMinutes = () => Date.now() + 5 * 60_000

test('an overloaded machine detects less often, then sends smaller frames, never late ones', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('vision')
  const viewer = await memory.connect('viewer')
  const states = await collect(viewer, topics.serviceState, { service: 'vision' })
  await using _service = await startVision({
    bus,
    log: memory.log,
    config: {
      // twice as many pictures as the encoders of six streams can take
      vision: VisionSection.parse({ source: { type: 'synthetic' }, snapshot_fps: 0 }),
      privacy: { schedule: [] },
      webrtc: WebrtcSection.parse({ video: { fps: 60 } }),
      data_dir: temporaryFolder(t),
    },
  })
  const loadOf = (state: Record<string, unknown>) =>
    (state.load ?? { level: 0, detection: 1, steps: 0 }) as Load
  await states.next({
    within: 20_000,
    where: ({ detector }) => (detector as { ok: boolean } | undefined)?.ok === true,
  })
  const demand = { layers: everything, codec: 'h264' as const, until: inMinutes() }
  const also = { codec: 'vp8' as const, layers: everything }
  await viewer.publish(topics.demand, { ...demand, also }, { who: 'debug' })

  const levels: Load[] = []
  const givesUpAStep = async () => {
    const { payload } = await states.next({ within: 60_000, where: (state) => loadOf(state).level > 0 })
    levels.push(loadOf(payload))
    return loadOf(payload).steps > 0
  }
  await until(givesUpAStep, { deadline: 120_000, show: () => levels })
  const first = levels[0]
  assert.deepEqual([first?.steps, (first?.detection ?? 1) < 1], [0, true], 'detections gave way first')

  const ages: number[] = []
  const sizes = new Map<string, number>()
  const video = await viewer.subscribe(topics.video, (unit, { params }) => {
    ages.push(Date.now() - Number(decodeAccessUnit(unit).capturedAt) / 1000)
    sizes.set(params.layer, (sizes.get(params.layer) ?? 0) + 1)
  })
  await new Promise((resolve) => setTimeout(resolve, 10_000))
  video[Symbol.dispose]()
  const sorted = ages.toSorted((a, b) => a - b)
  const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN
  t.diagnostic(
    `level ${levels.at(-1)?.level}; ${ages.length} pictures, age on the bus p50 ${sorted[Math.floor(sorted.length / 2)]?.toFixed(0)} p95 ${p95.toFixed(0)} ms`,
  )
  for (const layer of LAYERS satisfies readonly Layer[]) assert.ok((sizes.get(layer) ?? 0) > 10, layer)
  assert.ok(p95 <= 150, `${p95} ms`)

  // only one small stream is left: step by step it comes back
  const worst = levels.at(-1)?.level ?? 0
  await viewer.publish(
    topics.demand,
    { codec: 'h264', layers: { low: { bitrate: RATE } }, until: inMinutes() },
    { who: 'debug' },
  )
  await states.next({ within: 120_000, where: (state) => loadOf(state).level < worst })
})
