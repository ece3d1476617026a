/**
 * Detection: an ONNX model in a worker thread. `detector.ts` is what other rooms use, and the box geometry of `nms.ts`.
 */
import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { DetectorSection } from '../config.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { type ConflatingQueue, createConflatingQueue } from '../frame/conflating-queue.ts'
import { createRateMeter } from '../frame/rate-meter.ts'
import { createThrottle } from '../frame/throttle.ts'
import { ScratchFrame } from '../image/scratch-frame.ts'
import { formatText } from './model-io.ts'
import { ModelThread } from './model-thread.ts'
import type { Candidate } from './nms.ts'
import type { Yuv420 } from './preprocess.ts'
import { copyShared, grayFrame } from './shared-frame.ts'

interface DetectorOptions {
  config: DetectorSection
  log: Logger
  drops: EventCounter
}

interface DetectorEvents {
  /** An inference on this frame; `inferenceMs` is `session.run()` alone. */
  detections: [candidates: Candidate[], captured: CapturedFrame, inferenceMs: number]
  /** Availability or settings changed. */
  change: []
}

const RETRY = { first: 1_000, cap: 60_000, least: 500 }

/**
 * Runs the model on the latest frame, at most `max_fps` times a second, in a worker thread. A model that cannot be loaded
 * or a thread that crashes is restarted with backoff; frames offered until then are discarded.
 */
export class Detector extends EventEmitter<DetectorEvents> implements AsyncDisposable {
  readonly #options: DetectorOptions
  readonly #closing = new AbortController()
  readonly #queue: ConflatingQueue<CapturedFrame>
  readonly #rate = createRateMeter()
  readonly #scratch = new ScratchFrame()
  #running: Promise<void> | undefined
  #config: DetectorSection
  #rateFactor = 1
  #passes: (now: number) => boolean
  #thread: ModelThread | undefined
  #error: string | null = 'starting'
  #inferenceMs: number | null = null
  #memory: Yuv420 | undefined
  #changing = false
  /** Ends the wait for the next attempt. */
  #wake = new AbortController()

  constructor(options: DetectorOptions) {
    super()
    this.#options = options
    this.#config = options.config
    this.#passes = createThrottle(options.config.max_fps)
    this.#queue = createConflatingQueue(
      (captured) => this.#detect(captured),
      () => options.drops.count('detector_too_slow'),
    )
  }

  /** Loads the model. */
  start(): void {
    this.#running = this.#run()
  }

  get ok(): boolean {
    return this.#error === null
  }

  /** The settings in use. */
  get settings(): DetectorSection {
    return this.#config
  }

  /** `detector` in `vision/state`. */
  get summary() {
    const { model, max_fps, threads, labels, enabled, min_score, keep_score } = this.#config
    return {
      ok: this.ok,
      error: this.#error,
      enabled,
      model,
      labels,
      min_score,
      keep_score,
      max_fps,
      threads,
      ...this.#thread?.facts,
      inference_ms: this.#inferenceMs,
      fps: Math.round(this.#rate.read().rate * 10) / 10,
    }
  }

  /** Limits the rate to this fraction of `max_fps`, 0..1, while the machine is overloaded. */
  limitRate(factor: number): void {
    this.#rateFactor = factor
    this.#passes = createThrottle(this.#config.max_fps * factor)
  }

  /**
   * Changes the settings. Another model is loaded beside the one in use and replaces it after a first inference; when
   * that fails, the old one stays in use and this rejects with {@link UnavailableError}.
   */
  async reconfigure(config: DetectorSection): Promise<void> {
    if (this.#changing) throw new UnavailableError('another model is loading; try again later')
    this.#changing = true
    try {
      const reload = config.enabled && (!this.#thread || !isSameModel(config, this.#config))
      const thread = reload ? await startChecked(config) : undefined
      if (this.#closing.signal.aborted) await thread?.[Symbol.asyncDispose]()
      else await this.#apply(config, thread)
    } finally {
      this.#changing = false
    }
  }

  offer(captured: CapturedFrame): void {
    if (this.#thread && captured.live && this.#passes(captured.at)) this.#queue.offer(captured.share())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#wake.abort()
    await this.#queue[Symbol.asyncDispose]()
    await this.#thread?.[Symbol.asyncDispose]()
    await this.#running
    this.#scratch[Symbol.dispose]()
  }

  async #apply(config: DetectorSection, thread: ModelThread | undefined): Promise<void> {
    const old = this.#thread
    this.#config = config
    this.limitRate(this.#rateFactor)
    if (thread || !config.enabled) {
      this.#thread = thread
      this.#wake.abort()
      await old?.[Symbol.asyncDispose]()
    }
    if (thread) this.#ready()
    this.emit('change')
  }

  async #run(): Promise<void> {
    const backoff = createBackoff(RETRY)
    let warned: string | undefined
    while (!this.#closing.signal.aborted) {
      this.#wake = new AbortController()
      const reason = await this.#runThread(() => {
        backoff.reset()
        warned = undefined
      })
      if (this.#closing.signal.aborted) return
      if (this.#thread) continue
      const { enabled, model } = this.#config
      if (enabled && reason !== warned) this.#options.log.warn({ model, reason }, 'detector failed, retrying')
      warned = reason
      this.#setError(enabled ? reason : 'disabled')
      const wait = enabled ? backoff.next() : 2 ** 31 - 1
      await sleep(wait, undefined, { signal: this.#wake.signal }).catch(() => {})
    }
  }

  /** Runs a thread to its end; resolves with the reason. */
  async #runThread(onReady: () => void): Promise<string> {
    if (!this.#config.enabled) return 'disabled'
    try {
      // another model may be in use already
      const thread = this.#thread ?? (await this.#start())
      onReady()
      const reason = await thread.ended
      if (this.#thread === thread) this.#thread = undefined
      return reason
    } catch (err) {
      return err instanceof Error ? err.message : String(err)
    }
  }

  async #start(): Promise<ModelThread> {
    const thread = await ModelThread.start(this.#config)
    // disabled, or replaced by another model, during the load
    if (this.#closing.signal.aborted || this.#thread || !this.#config.enabled) {
      await thread[Symbol.asyncDispose]()
      return this.#thread ?? thread
    }
    this.#thread = thread
    this.#ready()
    return thread
  }

  #ready(): void {
    const { model } = this.#config
    const { facts } = this.#thread ?? {}
    const { licence, size, description } = facts ?? {}
    const format = facts && formatText(facts)
    this.#options.log.info({ model, description, format, size, licence }, 'detector ready')
    if (licence?.includes('AGPL')) {
      this.#options.log.warn(
        { model, licence },
        'the license of this model (AGPL) has obligations for redistribution',
      )
    }
    this.#setError(null)
  }

  async #detect(captured: CapturedFrame): Promise<void> {
    const thread = this.#thread
    if (!thread) return
    try {
      const pixels = captured.lores ?? captured.pixels
      const { planes } = await this.#scratch.fill(pixels, pixels)
      this.#memory = copyShared(planes, this.#memory)
      const { candidates, runMs } = await thread.detect(this.#memory, lowestScore(this.#config))
      this.#inferenceMs = Math.round(runMs * 10) / 10
      this.#rate.count()
      this.emit('detections', candidates, captured, runMs)
    } catch (err) {
      if (thread !== this.#thread) return // replaced by another model
      // the loop in #run starts a new thread
      this.#options.log.debug({ err }, 'inference failed')
      await thread[Symbol.asyncDispose]()
    }
  }

  #setError(error: string | null): void {
    if (error === this.#error) return
    this.#error = error
    this.emit('change')
  }
}

/** Loads a model and checks it with one inference. */
async function startChecked(config: DetectorSection): Promise<ModelThread> {
  try {
    const thread = await ModelThread.start(config)
    await thread.detect(grayFrame(), 0).catch(async (err) => {
      // a thread that hangs would stay forever, with its model
      await thread[Symbol.asyncDispose]()
      throw err
    })
    return thread
  } catch (err) {
    throw new UnavailableError(err instanceof Error ? err.message : String(err))
  }
}

function isSameModel(one: DetectorSection, other: DetectorSection): boolean {
  const keys = ['model', 'threads', 'format', 'names', 'size', 'letterbox', 'scale', 'colours'] as const
  return keys.every((key) => JSON.stringify(one[key]) === JSON.stringify(other[key]))
}

/** The lowest threshold of any label. */
function lowestScore({ min_score, min_scores, keep_score }: DetectorSection): number {
  return Math.min(min_score, keep_score, ...Object.values(min_scores))
}
