import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { type ModelDraft, writeOnnx } from '#dev/harness/onnx-writer.ts'
import { print } from '#dev/harness/print.ts'
import { startStack } from '#dev/harness/stack.ts'

/** Duration of each measurement (ms). */
const WATCH = 20_000
const SETTLE = 12_000
const ROUNDS = 2

/** A model that multiplies large matrices and detects nothing; its run time grows with `multiplications`. */
function heavyModel(multiplications: number): ModelDraft {
  const nodes = Array.from({ length: multiplications }, (_, i) => [
    { op: 'MatMul', inputs: [i === 0 ? 'images' : `bounded${i - 1}`, 'images'], output: `product${i}` },
    { op: 'Sigmoid', inputs: [`product${i}`], output: `bounded${i}` },
  ]).flat()
  const last = `bounded${multiplications - 1}`
  return {
    inputs: [{ name: 'images', shape: [1, 3, 320, 320] }],
    outputs: [{ name: 'output0', shape: [1, 84, 2100] }],
    constants: [
      { name: 'nothing', shape: [1, 84, 2100] },
      { name: 'zero', shape: [1] },
    ],
    nodes: [
      ...nodes,
      { op: 'ReduceMean', inputs: [last], output: 'mean', attributes: { keepdims: 0 } },
      { op: 'Mul', inputs: ['mean', 'zero'], output: 'none' },
      { op: 'Add', inputs: ['nothing', 'none'], output: 'output0' },
    ],
  }
}

interface Spread {
  p50: number
  p95: number
}
interface State {
  detector: { inference_ms: number | null; fps: number }
  load: { encode_ms: Spread | null; age_ms: Spread | null }
}

async function watch(detector: object): Promise<string> {
  await using stack = await startStack({
    vision: { source: { type: 'synthetic' }, snapshot_fps: 0, detector },
  })
  const bus = await stack.join('bench')
  const states = await collect(bus, topics.serviceState, { service: 'vision' })
  const layers = { high: { bitrate: 1_500_000 } }
  await bus.publish(topics.demand, { codec: 'h264', layers, until: Date.now() + 120_000 }, { who: 'debug' })
  let pictures = 0
  await bus.subscribe(topics.video, () => void pictures++)
  await sleep(SETTLE)
  pictures = 0
  const start = performance.now()
  await sleep(WATCH)
  const rate = (pictures * 1000) / (performance.now() - start)
  const last = states.all.at(-1)
  if (!last) throw new Error('no state of vision')
  const { detector: seen, load } = last.payload as unknown as State
  const { encode_ms: encode, age_ms: age } = load
  return `${rate.toFixed(2)} | ${seen.fps} × ${seen.inference_ms ?? '-'} ms | ${encode?.p50} / ${encode?.p95} ms | ${age?.p50} / ${age?.p95} ms`
}

await using folder = await mkdtempDisposable(join(tmpdir(), 'wimz-heavy-'))
const heavy = join(folder.path, 'heavy.onnx')
await writeFile(heavy, writeOnnx(heavyModel(24)))
const CASES = {
  'no detector': { enabled: false },
  'default model, at every picture': { max_fps: 60 },
  'a slow model, without a pause': { model: heavy, max_fps: 60 },
}
print(
  '| detector, beside one 720p15 stream | pictures/s | inferences/s × time | encoding p50 / p95 | age on the bus p50 / p95 |',
)
print('|---|---|---|---|---|')
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, detector] of Object.entries(CASES)) print(`| ${name} | ${await watch(detector)} |`)
}
