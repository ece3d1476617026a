/**
 * What the doctor and the benchmarks use of vision: frames from a source, a model tried on its own, and the time that
 * detection and overlay take. Everything else of this service is internal.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { Input } from './camera/sources/input.ts'
import { captureFrom } from './camera/sources/open.ts'
import type { CaptureOptions } from './camera/sources/source.ts'
import { DetectorSection, type SourceSection } from './config.ts'
import { Detector } from './detect/detector.ts'
import { formatText } from './detect/model-io.ts'
import { ModelThread } from './detect/model-thread.ts'
import { createPreprocessor } from './detect/preprocess.ts'
import { copyShared, grayFrame } from './detect/shared-frame.ts'
import { CapturedFrame } from './frame/captured-frame.ts'
import type { Size } from './image/fit.ts'
import { allocate, FrameConverter, planesOf } from './image/pixels.ts'
import { ScratchFrame } from './image/scratch-frame.ts'
import { paintOverlay, type Scene } from './overlay/overlay.ts'

/** Interval of the frames that detection is measured on: as from a camera, not back to back. */
const FRAME_INTERVAL_MS = 33

/** Captures until the signal is aborted or the source has ended. Rejects with UnavailableError when the source fails. */
export async function captureFrames(source: SourceSection, options: CaptureOptions): Promise<void> {
  await captureFrom(source)(options)
}

/** Loads a model in its thread and runs it on a gray frame. Rejects with UnavailableError. Times in milliseconds. */
export async function tryModel(settings: DetectorSection, runs: number) {
  const start = performance.now()
  await using thread = await ModelThread.start(settings)
  const loadMs = performance.now() - start
  const inferenceMs: number[] = []
  for (let run = 0; run < runs; run++) {
    inferenceMs.push((await thread.detect(grayFrame(), settings.min_score)).runMs)
  }
  const { facts } = thread
  const format = facts && formatText(facts)
  return { loadMs, inferenceMs, format, size: facts?.size, description: facts?.description }
}

interface DetectionTimes {
  /** Frame in, detections out: copies, the way to the thread, preprocessing, inference, decoding, the way back. */
  total: number[]
  /** `session.run()` alone. */
  inference: number[]
  /** Copying the frame into shared memory. */
  copy: number[]
  /** Scaling and conversion from YUV to RGB. */
  preprocess: number[]
}

/** Runs the default model on `frames` frames of a clip; milliseconds of each. */
export async function measureDetection(
  clip: string,
  { frames, warmUp, log }: { frames: number; warmUp: number; log: Logger },
): Promise<DetectionTimes> {
  await using player = new ClipPlayer(clip, { width: 1280, height: 720 })
  const { total, inference } = await measureDetector(player, frames + warmUp, log)
  const parts = await measurePreprocessing(player, frames)
  return { total: total.slice(warmUp), inference: inference.slice(warmUp), ...parts }
}

/** Milliseconds that drawing each of the scenes takes. */
export function measureOverlay(size: Size, scenes: readonly Scene[]): number[] {
  using pixels = allocate(size, 'bt709')
  const planes = planesOf(pixels)
  for (const plane of [planes.y, planes.u, planes.v]) plane.fill(128)
  return scenes.map((scene) => {
    const start = performance.now()
    paintOverlay(planes, scene)
    return performance.now() - start
  })
}

async function measureDetector(player: ClipPlayer, frames: number, log: Logger) {
  const total: number[] = []
  const inference: number[] = []
  let start = 0
  using drops = createEventCounter(log, 'frames dropped')
  await using detector = new Detector({
    config: DetectorSection.parse({ max_fps: 60 }),
    log,
    drops,
  })
  detector.on('detections', (_, __, inferenceMs) => {
    total.push(performance.now() - start)
    inference.push(inferenceMs)
  })
  detector.start()
  for (const end = performance.now() + 30_000; !detector.ok; await sleep(50)) {
    if (performance.now() > end) throw new Error('the detector is not ready within 30 s')
  }
  for (let index = 0; index < frames; index++) {
    // a second apart by their own time: none is left out for `max_fps`
    using captured = new CapturedFrame(
      { pixels: await player.next() },
      { at: index * 1_000, index, live: true },
    )
    await sleep(FRAME_INTERVAL_MS)
    const done = once(detector, 'detections')
    start = performance.now()
    detector.offer(captured)
    await done
  }
  return { total, inference }
}

async function measurePreprocessing(player: ClipPlayer, frames: number) {
  const copy: number[] = []
  const preprocess: number[] = []
  using scratch = new ScratchFrame()
  const size = { width: 300, height: 300 }
  const convert = createPreprocessor({ size, letterbox: 'stretch', scale: 'unit', colours: 'rgb' })
  const out = new Float32Array(3 * size.width * size.height)
  let memory: ReturnType<typeof copyShared> | undefined
  for (let i = 0; i < frames; i++) {
    using pixels = await player.next()
    let start = performance.now()
    const { planes } = await scratch.fill(pixels, pixels)
    memory = copyShared(planes, memory)
    copy.push(performance.now() - start)
    start = performance.now()
    convert(memory, out)
    preprocess.push(performance.now() - start)
  }
  return { copy, preprocess }
}

/** Frames of a clip, over and over. */
class ClipPlayer implements AsyncDisposable {
  readonly #clip: string
  readonly #converter: FrameConverter
  #input: Input | undefined

  constructor(clip: string, box: Size) {
    this.#clip = clip
    this.#converter = new FrameConverter(box)
  }

  /** The caller frees it. */
  async next() {
    const next = (await this.#input?.next()) ?? (await this.#restart())
    return await this.#converter.convert(next.pixels)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input?.[Symbol.asyncDispose]()
    this.#converter[Symbol.dispose]()
  }

  async #restart() {
    await this.#input?.[Symbol.asyncDispose]()
    this.#input = await Input.open(this.#clip, { signal: new AbortController().signal })
    const first = await this.#input.next()
    if (!first) throw new Error(`${this.#clip} is empty`)
    return first
  }
}
