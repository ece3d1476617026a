import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createTally } from '#lib/event-counter.ts'
import { createLogger } from '#lib/logger.ts'
import { Input } from '#services/vision/camera/sources/input.ts'
import { DetectorSection } from '#services/vision/config.ts'
import { Detector } from '#services/vision/detect/detector.ts'
import { createPreprocessor } from '#services/vision/detect/preprocess.ts'
import { copyShared } from '#services/vision/detect/shared-frame.ts'
import { CapturedFrame } from '#services/vision/frame/captured-frame.ts'
import { Normaliser } from '#services/vision/image/pixels.ts'
import { Canvas } from '#services/vision/image/scratch-frame.ts'
import { percentile } from './statistics.ts'

const LOOKS = 300
const WARM_UP = 30
/** Pictures come so often, ms: as from a camera, not back to back. */
const EVERY = 33

const say = (line = '') => void process.stdout.write(`${line}\n`)
const log = createLogger('bench', { write() {} })
using drops = createTally(log, 'dropped')
await using stack = new AsyncDisposableStack()
const open = async () =>
  stack.use(await Input.open('demo/clip.mp4', { signal: new AbortController().signal }))
let input = await open()
using normaliser = new Normaliser({ width: 1280, height: 720 })

async function nextPicture() {
  let next = await input.next()
  if (!next) {
    input = await open()
    next = await input.next()
  }
  if (!next) throw new Error('the clip is empty')
  return await normaliser.normalise(next.pixels)
}

/** Frame in, message out: copies, the way to the thread, preparing the picture, the net, reading its output, the way back. */
async function whole() {
  const totals: number[] = []
  const runs: number[] = []
  const events = new EventTarget()
  let start = 0
  await using detector = new Detector({
    config: DetectorSection.parse({ max_fps: 60 }),
    log,
    drops,
    onDetected(_, __, runMs) {
      totals.push(performance.now() - start)
      runs.push(runMs)
      events.dispatchEvent(new Event('done'))
    },
    onChange: () => {},
  })
  while (!detector.ok) await sleep(50)
  for (let index = 0; index < LOOKS + WARM_UP; index++) {
    using captured = new CapturedFrame(
      { pixels: await nextPicture() },
      { at: index * 1_000, index, live: true },
    )
    await sleep(EVERY)
    const done = once(events, 'done')
    start = performance.now()
    detector.offer(captured)
    await done
  }
  return { totals: totals.slice(WARM_UP), runs: runs.slice(WARM_UP) }
}

/** What happens to the picture before the net, alone. */
async function parts() {
  const copies: number[] = []
  const preparations: number[] = []
  using canvas = new Canvas()
  const size = { width: 300, height: 300 }
  const preprocess = createPreprocessor({ size, letterbox: 'stretch', scale: 'unit', colours: 'rgb' })
  const out = new Float32Array(3 * 300 * 300)
  let memory: ReturnType<typeof copyShared> | undefined
  for (let i = 0; i < LOOKS; i++) {
    using pixels = await nextPicture()
    let start = performance.now()
    const { planes } = await canvas.fill(pixels, pixels)
    memory = copyShared(planes, memory)
    copies.push(performance.now() - start)
    start = performance.now()
    preprocess(memory, out)
    preparations.push(performance.now() - start)
  }
  return { copies, preparations }
}

const spread = (values: number[]) =>
  `${percentile(values, 0.5).toFixed(2)} / ${percentile(values, 0.95).toFixed(2)} ms`

const { totals, runs } = await whole()
const { copies, preparations } = await parts()
say('| one detection on 1280×720, default model, one thread | p50 / p95 |')
say('|---|---|')
say(`| frame in, message out | ${spread(totals)} |`)
say(`| session.run() alone | ${spread(runs)} |`)
say(`| copying the picture into shared memory | ${spread(copies)} |`)
say(`| preparing it: scaling, YUV to RGB | ${spread(preparations)} |`)
say(`| whole by run(), medians | ${(percentile(totals, 0.5) / percentile(runs, 0.5)).toFixed(3)} |`)
