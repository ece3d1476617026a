import { setTimeout as sleep } from 'node:timers/promises'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import type { Tally } from '#lib/tally.ts'
import { Canvas } from '../canvas.ts'
import type { CapturedFrame } from '../captured-frame.ts'
import type { DetectorSection } from '../config.ts'
import { createLatest, type Latest } from '../latest.ts'
import { createMeter } from '../meter.ts'
import { createThrottle } from '../throttle.ts'
import { ModelThread } from './model-thread.ts'
import type { Candidate } from './nms.ts'
import { copyShared } from './shared-picture.ts'
import type { Yuv420 } from './stretch.ts'

export interface DetectorOptions {
  config: DetectorSection
  log: Logger
  drops: Tally
  /** The picture was looked at. */
  onDetected(objects: Candidate[], captured: CapturedFrame, inferenceMs: number): void
  /** It began to work, or ceased to. */
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
  #passes: (now: number) => boolean
  readonly #meter = createMeter()
  readonly #running: Promise<void>
  #thread: ModelThread | undefined
  #error: string | null = 'starting'
  #inferenceMs: number | null = null
  readonly #canvas = new Canvas()
  #memory: Yuv420 | undefined

  constructor(options: DetectorOptions) {
    this.#options = options
    this.#passes = createThrottle(options.config.max_fps)
    this.#latest = createLatest(
      (captured) => this.#detect(captured),
      () => options.drops.count('detector_too_slow'),
    )
    this.#running = this.#run()
  }

  /** What `vision/state` says of the detector. */
  get summary() {
    return {
      ok: this.ok,
      error: this.#error,
      model: this.#options.config.model,
      inference_ms: this.#inferenceMs,
      fps: Math.round(this.#meter.read().rate * 10) / 10,
    }
  }

  get ok(): boolean {
    return this.#error === null
  }

  /** While the machine has too much to do only this part of `max_fps` is used, 0..1. */
  slowDown(share: number): void {
    this.#passes = createThrottle(this.#options.config.max_fps * share)
  }

  offer(captured: CapturedFrame): void {
    if (this.#thread && captured.live && this.#passes(captured.at)) this.#latest.offer(captured.share())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#latest[Symbol.asyncDispose]()
    await this.#thread?.[Symbol.asyncDispose]()
    await this.#running
    this.#canvas[Symbol.dispose]()
  }

  async #run(): Promise<void> {
    const { config, log } = this.#options
    const { signal } = this.#closing
    if (!config.enabled) return this.#setError('switched off')
    const backoff = createBackoff(RETRY)
    let warned: string | undefined
    while (!signal.aborted) {
      const reason = await this.#attempt(() => {
        backoff.reset()
        warned = undefined
        log.info({ model: config.model }, 'detector ready')
      })
      if (signal.aborted) return
      if (reason !== warned) log.warn({ model: config.model, reason }, 'no detections, retrying')
      warned = reason
      this.#setError(reason)
      await sleep(backoff.next(), undefined, { signal }).catch(() => {})
    }
  }

  /** One life of the thread; resolves with the reason of its end. */
  async #attempt(onReady: () => void): Promise<string> {
    const { config } = this.#options
    try {
      const thread = await ModelThread.start({ model: config.model, minScore: lowestScore(config) })
      if (this.#closing.signal.aborted) await thread[Symbol.asyncDispose]()
      else {
        this.#thread = thread
        onReady()
        this.#setError(null)
      }
      return await thread.ended
    } catch (err) {
      return err instanceof Error ? err.message : String(err)
    } finally {
      this.#thread = undefined
    }
  }

  async #detect(captured: CapturedFrame): Promise<void> {
    const thread = this.#thread
    if (!thread) return
    try {
      const { planes } = await this.#canvas.fill(captured.pixels, captured.pixels)
      this.#memory = copyShared(planes, this.#memory)
      const { candidates, inferenceMs } = await thread.detect(this.#memory)
      this.#inferenceMs = Math.round(inferenceMs * 10) / 10
      this.#meter.count()
      this.#options.onDetected(candidates, captured, inferenceMs)
    } catch (err) {
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

/** What anybody may want to hear of. */
function lowestScore({ min_score, min_scores, keep_score }: DetectorSection): number {
  return Math.min(min_score, keep_score, ...Object.values(min_scores))
}
