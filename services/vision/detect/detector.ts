import { setTimeout as sleep } from 'node:timers/promises'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { DetectorSection } from '../config.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { createLatest, type Latest } from '../frame/conflating-queue.ts'
import { createMeter } from '../frame/rate-meter.ts'
import { createThrottle } from '../frame/throttle.ts'
import { Canvas } from '../image/scratch-frame.ts'
import { ModelThread } from './model-thread.ts'
import type { Candidate } from './nms.ts'
import type { Yuv420 } from './preprocess.ts'
import { copyShared, greyPicture } from './shared-frame.ts'

export interface DetectorOptions {
  config: DetectorSection
  log: Logger
  drops: EventCounter
  /** The picture was looked at; `inferenceMs` is what the net itself took. */
  onDetected(candidates: Candidate[], captured: CapturedFrame, inferenceMs: number): void
  /** It began to work, or ceased to, or works otherwise. */
  onChange(): void
}

const RETRY = { first: 1_000, cap: 60_000, least: 500 }

/**
 * Looks at the newest picture, `max_fps` times a second at most, in a thread of its own. A model that cannot be loaded
 * or a thread that crashes is tried again with backoff; pictures offered meanwhile are not looked at.
 */
export class Detector implements AsyncDisposable {
  readonly #options: DetectorOptions
  readonly #closing = new AbortController()
  readonly #latest: Latest<CapturedFrame>
  readonly #meter = createMeter()
  readonly #canvas = new Canvas()
  readonly #running: Promise<void>
  #config: DetectorSection
  #share = 1
  #passes: (now: number) => boolean
  #thread: ModelThread | undefined
  #error: string | null = 'starting'
  #inferenceMs: number | null = null
  #memory: Yuv420 | undefined
  #changing = false
  /** Ends the wait for the next try. */
  #wake = new AbortController()

  constructor(options: DetectorOptions) {
    this.#options = options
    this.#config = options.config
    this.#passes = createThrottle(options.config.max_fps)
    this.#latest = createLatest(
      (captured) => this.#detect(captured),
      () => options.drops.count('detector_too_slow'),
    )
    this.#running = this.#run()
  }

  get ok(): boolean {
    return this.#error === null
  }

  /** As they are now. */
  get settings(): DetectorSection {
    return this.#config
  }

  /** What `vision/state` says of the detector. */
  get summary() {
    const { model, max_fps, threads, labels, enabled, min_score, keep_score } = this.#config
    return {
      ...{ ok: this.ok, error: this.#error, enabled, model, labels, min_score, keep_score, max_fps, threads },
      ...this.#thread?.facts,
      inference_ms: this.#inferenceMs,
      fps: Math.round(this.#meter.read().rate * 10) / 10,
    }
  }

  /** While the machine has too much to do only this part of `max_fps` is used, 0..1. */
  slowDown(share: number): void {
    this.#share = share
    this.#passes = createThrottle(this.#config.max_fps * share)
  }

  /**
   * Goes on with other settings. Another model is loaded beside the one at work, and takes its place when it has
   * answered a picture; when it cannot, the old one stays and this rejects with {@link UnavailableError}.
   */
  async reconfigure(config: DetectorSection): Promise<void> {
    if (this.#changing) throw new UnavailableError('another model is being loaded')
    this.#changing = true
    try {
      const reload = config.enabled && (!this.#thread || !sameModel(config, this.#config))
      const thread = reload ? await startChecked(config) : undefined
      if (this.#closing.signal.aborted) await thread?.[Symbol.asyncDispose]()
      else await this.#take(config, thread)
    } finally {
      this.#changing = false
    }
  }

  offer(captured: CapturedFrame): void {
    if (this.#thread && captured.live && this.#passes(captured.at)) this.#latest.offer(captured.share())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#wake.abort()
    await this.#latest[Symbol.asyncDispose]()
    await this.#thread?.[Symbol.asyncDispose]()
    await this.#running
    this.#canvas[Symbol.dispose]()
  }

  async #take(config: DetectorSection, thread: ModelThread | undefined): Promise<void> {
    const old = this.#thread
    this.#config = config
    this.slowDown(this.#share)
    if (thread || !config.enabled) {
      this.#thread = thread
      this.#wake.abort()
      await old?.[Symbol.asyncDispose]()
    }
    if (thread) this.#works()
    this.#options.onChange()
  }

  async #run(): Promise<void> {
    const backoff = createBackoff(RETRY)
    let warned: string | undefined
    while (!this.#closing.signal.aborted) {
      this.#wake = new AbortController()
      const reason = await this.#live(() => {
        backoff.reset()
        warned = undefined
      })
      if (this.#closing.signal.aborted) return
      if (this.#thread) continue
      const { enabled, model } = this.#config
      if (enabled && reason !== warned) this.#options.log.warn({ model, reason }, 'no detections, retrying')
      warned = reason
      this.#setError(enabled ? reason : 'switched off')
      const wait = enabled ? backoff.next() : 2 ** 31 - 1
      await sleep(wait, undefined, { signal: this.#wake.signal }).catch(() => {})
    }
  }

  /** One life of a thread; resolves with the reason of its end. */
  async #live(onReady: () => void): Promise<string> {
    if (!this.#config.enabled) return 'switched off'
    try {
      // a new model may have taken over already
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
    // switched off, or another taken, while it was loaded
    if (this.#closing.signal.aborted || this.#thread || !this.#config.enabled) {
      await thread[Symbol.asyncDispose]()
      return this.#thread ?? thread
    }
    this.#thread = thread
    this.#works()
    return thread
  }

  #works(): void {
    const { model } = this.#config
    const { licence, format, size } = this.#thread?.facts ?? {}
    this.#options.log.info({ model, format, size, licence }, 'detector ready')
    if (licence?.includes('AGPL')) {
      this.#options.log.warn({ model, licence }, 'the licence of this model binds whoever passes it on')
    }
    this.#setError(null)
  }

  async #detect(captured: CapturedFrame): Promise<void> {
    const thread = this.#thread
    if (!thread) return
    try {
      const pixels = captured.small ?? captured.pixels
      const { planes } = await this.#canvas.fill(pixels, pixels)
      this.#memory = copyShared(planes, this.#memory)
      const { candidates, runMs } = await thread.detect(this.#memory, lowestScore(this.#config))
      this.#inferenceMs = Math.round(runMs * 10) / 10
      this.#meter.count()
      this.#options.onDetected(candidates, captured, runMs)
    } catch (err) {
      if (thread !== this.#thread) return // another model has taken over
      // whatever it was, the loop in #run goes on with a new thread
      this.#options.log.debug({ err }, 'inference failed')
      await thread[Symbol.asyncDispose]()
    }
  }

  #setError(error: string | null): void {
    if (error === this.#error) return
    this.#error = error
    this.#options.onChange()
  }
}

/** A model that has shown that it can look at pictures. */
async function startChecked(config: DetectorSection): Promise<ModelThread> {
  try {
    const thread = await ModelThread.start(config)
    await thread.detect(greyPicture(), 0).catch(async (err) => {
      // one that hangs would stay for ever, with its model
      await thread[Symbol.asyncDispose]()
      throw err
    })
    return thread
  } catch (err) {
    throw new UnavailableError(err instanceof Error ? err.message : String(err))
  }
}

function sameModel(one: DetectorSection, other: DetectorSection): boolean {
  const keys = ['model', 'threads', 'format', 'names', 'size', 'letterbox', 'scale', 'colours'] as const
  return keys.every((key) => JSON.stringify(one[key]) === JSON.stringify(other[key]))
}

/** What anybody may want to hear of. */
function lowestScore({ min_score, min_scores, keep_score }: DetectorSection): number {
  return Math.min(min_score, keep_score, ...Object.values(min_scores))
}
