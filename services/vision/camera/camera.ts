import { setTimeout as sleep } from 'node:timers/promises'
import type { Frame } from 'node-av'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { SourceSection, VisionSection } from '../config.ts'
import { CapturedFrame } from '../frame/captured-frame.ts'
import { createMeter } from '../frame/rate-meter.ts'
import type { Size } from '../image/fit.ts'
import { endsInTime } from './abort-grace.ts'
import { PictureTaker } from './frame-normalizer.ts'
import { Standstill } from './freeze-frame.ts'
import { reasonOf } from './sanitize-error.ts'
import type { Capture } from './sources/source.ts'

/** What may be changed while it runs. */
export interface CameraSettings extends Size, Pick<VisionSection, 'rotate' | 'flip'> {
  source: SourceSection
  fps: number
}

export interface CameraOptions {
  settings: CameraSettings
  captureFrom(source: SourceSection): Capture
  log: Logger
  /** A picture of the camera, or one that stands in for it, at most `fps` a second. It is disposed of afterwards. */
  onFrame(captured: CapturedFrame): void
  /** What `summary` says has changed. */
  onChange(): void
  /** It works, or does not any more, unlike before. What it is at first is no change. */
  onEdge(ok: boolean, error: string | null): void
}

/** A camera that was there and gives nothing for this long has failed. Milliseconds. */
const SILENCE = 2_000
/** The first picture may take longer: a camera has to warm up, a stream to be connected. */
const WARM_UP = 10_000
const RETRY = { first: 500, cap: 10_000, least: 250 }
/** A life as short as this, ms, is no recovery: each would be told to apps, several a second. */
const SHORT = 3_000

interface Change {
  settings: CameraSettings
  outcome: PromiseWithResolvers<void>
}

/**
 * Pictures without end: from the source while that works, else of a placeholder that says why; a source that failed is
 * opened again, with backoff. While settings change the last picture stands still.
 */
export class Camera implements AsyncDisposable {
  readonly #options: CameraOptions
  readonly #closing = new AbortController()
  readonly #meter = createMeter()
  readonly #backoff = createBackoff(RETRY)
  readonly #standstill: Standstill
  readonly #running: Promise<void>
  #settings: CameraSettings
  #change: Change | undefined
  /** Ends the attempt under way, or the wait for the next. */
  #interrupt = new AbortController()
  /** A source that was given up and has not ended yet. */
  #stuck: Promise<void> = Promise.resolve()
  #index = 0
  #size: Size
  #error: string | null = 'starting'
  #since = Date.now()
  #retries = 0
  /** What was told last; undefined before the first. */
  #told: boolean | undefined

  constructor(options: CameraOptions) {
    this.#options = options
    this.#settings = options.settings
    const { width, height, fps } = options.settings
    this.#size = { width, height }
    this.#standstill = new Standstill((pixels) => this.#show({ pixels }, false))
    this.#standstill.say('starting', this.#size, fps)
    this.#running = this.#run()
  }

  /** What `vision/state` says of the camera. */
  get summary() {
    const { width, height } = this.#size
    const { source, rotate, flip } = this.#settings
    return {
      source: source.type,
      camera_ok: this.#error === null,
      camera_error: this.#error,
      camera_since: this.#since,
      camera_retries: this.#retries,
      size: { width, height },
      ...{ rotate, flip },
      fps: Math.round(this.#meter.read().rate * 10) / 10,
    }
  }

  /** As they are now. */
  get settings(): CameraSettings {
    return this.#settings
  }

  /** Why there is no picture, or null. */
  get error(): string | null {
    return this.#error
  }

  /**
   * Goes on with other settings; resolves when they gave a picture. Rejects with {@link UnavailableError} when they do
   * not, and goes back to what was, or when a newer change comes first (FIELD_FAILURES E16).
   */
  async reconfigure(settings: CameraSettings): Promise<void> {
    this.#change?.outcome.reject(new UnavailableError('a newer change came first'))
    const outcome = Promise.withResolvers<void>()
    this.#change = { settings, outcome }
    if (this.#error === null) this.#standstill.hold(this.#settings.fps)
    this.#interrupt.abort(new Error('other settings'))
    await outcome.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#interrupt.abort()
    this.#change?.outcome.reject(new UnavailableError('the camera is switched off'))
    this.#standstill[Symbol.dispose]()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    let lost = false
    while (!signal.aborted) {
      this.#interrupt = new AbortController()
      const change = this.#change
      const begin = performance.now()
      const { reason, worked } = await this.#attempt(change)
      if (signal.aborted) return
      // a newer change has come, or this one was in vain and what was before is tried again: at once
      if (this.#change) {
        this.#giveUp(change, reason)
        continue
      }
      if (worked && performance.now() - begin > SHORT) this.#backoff.reset()
      if (worked || !lost) this.#options.log.warn({ reason }, 'camera lost, retrying')
      lost = true
      this.#fail(reason)
      this.#retries++
      await sleep(this.#backoff.next(), undefined, { signal: this.#interrupt.signal }).catch(() => {})
    }
  }

  /** This change did not work; unless a newer one has come, which is tried then. */
  #giveUp(change: Change | undefined, reason: string): void {
    if (!change || change !== this.#change) return
    this.#change = undefined
    this.#options.log.warn({ reason }, 'new camera settings do not work, back to the old ones')
    change.outcome.reject(new UnavailableError(reason))
  }

  /** One life of the source, from opening to its end. */
  async #attempt(change: Change | undefined): Promise<{ reason: string; worked: boolean }> {
    const settings = change?.settings ?? this.#settings
    using taker = new PictureTaker(settings)
    const ending = new AbortController()
    let worked = false
    const silent = () =>
      ending.abort(new Error(worked ? 'no picture for 2 s' : 'no first picture within 10 s'))
    const watchdog = setTimeout(silent, WARM_UP)
    let silence: NodeJS.Timeout | undefined
    let abandoned = false
    const emit = async (pixels: Frame, small?: Frame) => {
      if (abandoned) {
        pixels.free()
        small?.free()
        return
      }
      clearTimeout(watchdog)
      silence ??= setTimeout(silent, SILENCE)
      silence.refresh()
      worked = true
      await this.#take(taker, { pixels, small }, change)
    }
    const signal = AbortSignal.any([ending.signal, this.#interrupt.signal, this.#closing.signal])
    try {
      const capture = this.#options.captureFrom(settings.source)
      // two at once would fight for the device
      if (!(await endsInTime(this.#stuck, signal))) return { reason: reasonOf(signal.reason), worked }
      const capturing = capture({ ...settings, emit, signal })
      if (!(await endsInTime(capturing, signal))) this.#stuck = capturing.catch(() => {})
      return { reason: signal.aborted ? reasonOf(signal.reason) : 'source ended', worked }
    } catch (err) {
      this.#options.log.debug({ reason: reasonOf(err) }, 'source failed')
      return { reason: reasonOf(signal.aborted ? signal.reason : err), worked }
    } finally {
      abandoned = true
      clearTimeout(watchdog)
      clearTimeout(silence)
    }
  }

  async #take(
    taker: PictureTaker,
    source: { pixels: Frame; small: Frame | undefined },
    change: Change | undefined,
  ): Promise<void> {
    const pictures = await taker.take(source)
    if (!pictures) return
    const { pixels } = pictures
    this.#meter.count()
    this.#size = { width: pixels.width, height: pixels.height }
    if (change && this.#change === change) this.#settle(change)
    if (this.#error !== null) this.#recover()
    this.#standstill.end(pixels)
    this.#show(pictures, true)
  }

  /** The new settings work. */
  #settle({ settings, outcome }: Change): void {
    this.#settings = settings
    this.#change = undefined
    outcome.resolve()
    this.#options.onChange()
  }

  #show(
    pictures: { pixels: Frame; full?: Frame | undefined; small?: Frame | undefined },
    live: boolean,
  ): void {
    using captured = new CapturedFrame(pictures, { at: performance.now(), index: this.#index++, live })
    this.#options.onFrame(captured)
  }

  #recover(): void {
    this.#error = null
    this.#since = Date.now()
    this.#options.log.info(this.#size, 'camera works')
    this.#tell(true)
  }

  #fail(reason: string): void {
    const { fps } = this.#settings
    if (this.#error !== reason) this.#standstill.say(reason, this.#size, fps)
    if (this.#error === null) this.#since = Date.now()
    this.#error = reason
    this.#tell(false)
  }

  #tell(ok: boolean): void {
    const isEdge = this.#told !== undefined && this.#told !== ok
    this.#told = ok
    if (isEdge) this.#options.onEdge(ok, this.#error)
    this.#options.onChange()
  }
}
