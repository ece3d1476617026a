import { setTimeout as sleep } from 'node:timers/promises'
import type { Frame } from 'node-av'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import { CapturedFrame } from './captured-frame.ts'
import type { Size } from './fit.ts'
import { createMeter } from './meter.ts'
import { Normaliser } from './pixels.ts'
import { drawPlaceholder } from './placeholder.ts'
import type { Capture } from './sources/source.ts'
import { createThrottle } from './throttle.ts'

export interface CameraOptions {
  capture: Capture
  size: Size
  fps: number
  log: Logger
  /** A picture of the camera, or the placeholder, at most `fps` a second. It is disposed of afterwards. */
  onFrame(captured: CapturedFrame): void
  /** The camera came or went. */
  onChange(): void
}

/** A camera that was there and gives nothing for this long has failed. Milliseconds. */
const SILENCE = 2_000
/** The first picture may take longer: a camera has to warm up, a stream to be connected. */
const WARM_UP = 10_000
const RETRY = { first: 500, cap: 10_000, least: 250 }

/**
 * Pictures without end: from the source while that works, else of a placeholder that says why; a source that failed is
 * opened again, with backoff.
 */
export class Camera implements AsyncDisposable {
  readonly #options: CameraOptions
  readonly #closing = new AbortController()
  readonly #normaliser: Normaliser
  readonly #meter = createMeter()
  readonly #backoff = createBackoff(RETRY)
  readonly #running: Promise<void>
  #passes: (now: number) => boolean
  #index = 0
  #size: Size
  #error: string | null = null
  #placeholder: Frame | undefined
  #placeholderTimer: NodeJS.Timeout | undefined

  constructor(options: CameraOptions) {
    this.#options = options
    this.#size = options.size
    this.#normaliser = new Normaliser(options.size)
    this.#passes = createThrottle(options.fps)
    this.#fail('starting')
    this.#running = this.#run()
  }

  /** What `vision/state` says of the camera. */
  get summary() {
    const { width, height } = this.#size
    return {
      camera_ok: this.#error === null,
      camera_error: this.#error,
      size: { width, height },
      fps: Math.round(this.#meter.read().rate * 10) / 10,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    clearInterval(this.#placeholderTimer)
    await this.#running
    this.#placeholder?.free()
    this.#placeholder = undefined
    this.#normaliser[Symbol.dispose]()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    let lost = false
    while (!signal.aborted) {
      const { reason, worked } = await this.#attempt()
      if (signal.aborted) return
      if (worked) this.#backoff.reset()
      if (worked || !lost) this.#options.log.warn({ reason }, 'camera lost, retrying')
      lost = true
      this.#fail(reason)
      await sleep(this.#backoff.next(), undefined, { signal }).catch(() => {})
    }
  }

  /** One life of the source, from opening to its end. */
  async #attempt(): Promise<{ reason: string; worked: boolean }> {
    const ending = new AbortController()
    const { capture, size, fps } = this.#options
    let worked = false
    const silent = () =>
      ending.abort(new Error(worked ? 'no picture for 2 s' : 'no first picture within 10 s'))
    const watchdog = setTimeout(silent, WARM_UP)
    let silence: NodeJS.Timeout | undefined
    const emit = async (pixels: Frame) => {
      clearTimeout(watchdog)
      silence ??= setTimeout(silent, SILENCE)
      silence.refresh()
      worked = true
      await this.#take(pixels)
    }
    try {
      await capture({ ...size, fps, emit, signal: AbortSignal.any([ending.signal, this.#closing.signal]) })
      return { reason: ending.signal.aborted ? reasonOf(ending.signal.reason) : 'source ended', worked }
    } catch (err) {
      this.#options.log.debug({ err }, 'source failed')
      return { reason: reasonOf(ending.signal.aborted ? ending.signal.reason : err), worked }
    } finally {
      clearTimeout(watchdog)
      clearTimeout(silence)
    }
  }

  async #take(pixels: Frame): Promise<void> {
    const at = performance.now()
    if (this.#closing.signal.aborted || !this.#passes(at)) return pixels.free()
    const normal = await this.#normaliser.normalise(pixels)
    using captured = new CapturedFrame({ pixels: normal }, { at, index: this.#index++, live: true })
    this.#meter.count()
    this.#size = { width: normal.width, height: normal.height }
    if (this.#error !== null) this.#recover()
    this.#options.onFrame(captured)
  }

  #recover(): void {
    this.#error = null
    clearInterval(this.#placeholderTimer)
    this.#options.log.info(this.#size, 'camera works')
    this.#options.onChange()
  }

  #fail(reason: string): void {
    if (this.#error === reason) return
    this.#error = reason
    this.#placeholder?.free()
    this.#placeholder = drawPlaceholder(this.#size, reason)
    clearInterval(this.#placeholderTimer)
    this.#placeholderTimer = setInterval(() => this.#showPlaceholder(), 1000 / this.#options.fps)
    this.#options.onChange()
  }

  #showPlaceholder(): void {
    const pixels = this.#placeholder?.clone()
    if (!pixels) return
    using captured = new CapturedFrame(
      { pixels },
      { at: performance.now(), index: this.#index++, live: false },
    )
    this.#options.onFrame(captured)
  }
}

/** One printable line. */
function reasonOf(err: unknown): string {
  const text = err instanceof Error ? err.message : String(err)
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200)
}
