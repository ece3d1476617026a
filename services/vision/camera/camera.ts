/**
 * The camera: frames of the configured source, reopened with backoff when it fails, and a placeholder in between.
 * `sources/` has one file for each type of source.
 */
import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Frame } from 'node-av/lib'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import { endsWithinGrace } from '#lib/media/abort-grace.ts'
import { sanitizeError } from '#lib/media/sanitize-error.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { CameraSettings, SourceSection } from '../config.ts'
import { CapturedFrame } from '../frame/captured-frame.ts'
import { createRateMeter } from '../frame/rate-meter.ts'
import type { Size } from '../image/fit.ts'
import { FrameNormalizer } from './frame-normalizer.ts'
import { FrameWatchdog } from './frame-watchdog.ts'
import { FreezeFrame } from './freeze-frame.ts'
import type { Capture } from './sources/source.ts'

interface CameraEvents {
  /** A frame of the camera, or one in its place, at most `fps` a second. It is disposed of when the listeners return. */
  frame: [captured: CapturedFrame]
  /** {@link Camera.summary} has changed. */
  change: []
  /** The camera has recovered or failed. Its first state is not an edge. */
  edge: [ok: boolean, error: string | null]
}

interface CameraOptions {
  settings: CameraSettings
  captureFrom(source: SourceSection): Capture
  log: Logger
}

const RETRY = { first: 500, cap: 10_000, least: 250 }
/** Captures shorter than this do not reset the backoff: apps would be notified several times a second. */
const MIN_RECOVERED_MS = 3_000
export const PRIVACY_IS_ON = 'privacy is on'

interface PendingChange {
  settings: CameraSettings
  outcome: PromiseWithResolvers<void>
}

/**
 * Emits frames without end: of the source while it works, else of a placeholder with the reason. A failed source is
 * reopened with backoff. While settings change the last frame is repeated.
 */
export class Camera extends EventEmitter<CameraEvents> implements AsyncDisposable {
  readonly #options: CameraOptions
  readonly #closing = new AbortController()
  readonly #rate = createRateMeter()
  /** Of the current capture. */
  #watchdog: FrameWatchdog | undefined
  readonly #backoff = createBackoff(RETRY)
  readonly #freezeFrame: FreezeFrame
  #running: Promise<void> | undefined
  #settings: CameraSettings
  #change: PendingChange | undefined
  /** Ends the current capture, or the wait for the next. */
  #interrupt = new AbortController()
  /** An abandoned capture that has not ended yet. */
  #stuck: Promise<void> = Promise.resolve()
  #capturing: Promise<unknown> = Promise.resolve()
  #private = false
  #index = 0
  #size: Size
  #error: string | null = 'starting'
  #since = Date.now()
  #retries = 0
  /** Last published state; undefined before the first. */
  #lastOk: boolean | undefined

  constructor(options: CameraOptions) {
    super()
    this.#options = options
    this.#settings = options.settings
    const { width, height } = options.settings
    this.#size = { width, height }
    this.#freezeFrame = new FreezeFrame((pixels) => this.#emitFrame({ pixels }, false))
  }

  /** Opens the source. */
  start(): void {
    if (!this.#private) this.#showPlaceholder('starting')
    this.#running = this.#run()
  }

  /** The camera's part of `vision/state`. */
  get summary() {
    const { width, height } = this.#size
    const { source, rotate, flip } = this.#settings
    return {
      source: source.type,
      camera_ok: this.#error === null,
      camera_error: this.#error,
      privacy: this.#private,
      camera_since: this.#since,
      camera_retries: this.#retries,
      size: { width, height },
      rotate,
      flip,
      fps: this.#fps,
    }
  }

  /** By the interval of the last frames where they are too rare to count. */
  get #fps(): number {
    if (this.#error !== null) return 0
    const interval = this.#watchdog?.interval ?? 0
    return interval > 1_000
      ? Math.round(100_000 / interval) / 100
      : Math.round(this.#rate.read().rate * 10) / 10
  }

  /** The settings in use. */
  get settings(): CameraSettings {
    return this.#settings
  }

  /** The reason why the camera delivers no frames, or null. */
  get error(): string | null {
    return this.#error
  }

  /**
   * Changes the settings; resolves when they have delivered a frame. Else returns to the previous ones and rejects with
   * {@link UnavailableError}, also when a newer change supersedes this one.
   */
  async reconfigure(settings: CameraSettings): Promise<void> {
    if (this.#private) throw new UnavailableError(PRIVACY_IS_ON)
    this.#change?.outcome.reject(new UnavailableError('superseded by a newer change'))
    const outcome = Promise.withResolvers<void>()
    this.#change = { settings, outcome }
    if (this.#error === null) this.#freezeFrame.hold(this.#settings.fps)
    this.#interrupt.abort(new Error('settings changed'))
    await outcome.promise
  }

  get isPrivate(): boolean {
    return this.#private
  }

  /** Closes the source, and shows a placeholder in its place; or opens it again. No frame of the source is emitted from now on. */
  setPrivate(isPrivate: boolean): void {
    if (isPrivate === this.#private) return
    this.#private = isPrivate
    this.#change?.outcome.reject(new UnavailableError(PRIVACY_IS_ON))
    this.#change = undefined
    if (isPrivate) this.#freezeFrame.forget()
    this.#fail(isPrivate ? PRIVACY_IS_ON : 'starting')
    this.#backoff.reset()
    this.#interrupt.abort(new Error(PRIVACY_IS_ON))
  }

  /** Resolves when no source is open; it must have been closed. */
  async released(): Promise<void> {
    await this.#capturing
    await this.#stuck
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#interrupt.abort()
    this.#change?.outcome.reject(new UnavailableError('the camera is closing'))
    this.#freezeFrame[Symbol.dispose]()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    let lost = false
    while (!signal.aborted) {
      this.#interrupt = new AbortController()
      const change = this.#change
      const begin = performance.now()
      const ended = await this.#captureUnlessPrivate(change)
      if (!ended || signal.aborted) continue
      const { reason, worked } = ended
      // a newer change is pending, or this one failed: no wait before the next capture
      if (this.#change) {
        this.#reject(change, reason)
        continue
      }
      if (worked && performance.now() - begin > MIN_RECOVERED_MS) this.#backoff.reset()
      if (worked || !lost) this.#options.log.warn({ reason }, 'camera lost, retrying')
      lost = true
      this.#fail(reason)
      this.#retries++
      await sleep(this.#backoff.next(), undefined, { signal: this.#interrupt.signal }).catch(() => {})
    }
  }

  /** Undefined after privacy has interrupted. */
  async #captureUnlessPrivate(change: PendingChange | undefined) {
    if (this.#private) {
      await once(this.#interrupt.signal, 'abort')
      return undefined
    }
    const capturing = this.#capture(change)
    this.#capturing = capturing
    const ended = await capturing
    return this.#private ? undefined : ended
  }

  /** Ends a change that failed, unless a newer one is pending. */
  #reject(change: PendingChange | undefined, reason: string): void {
    if (!change || change !== this.#change) return
    this.#change = undefined
    this.#options.log.warn({ reason }, 'camera settings rejected, keeping the previous ones')
    change.outcome.reject(new UnavailableError(reason))
  }

  /** One capture, from opening the source to its end. */
  async #capture(change: PendingChange | undefined): Promise<{ reason: string; worked: boolean }> {
    const settings = change?.settings ?? this.#settings
    using normalizer = new FrameNormalizer(settings)
    const ending = new AbortController()
    using watchdog = new FrameWatchdog({ mayBeSlow: settings.source.type === 'url' }, (reason) =>
      ending.abort(new Error(reason)),
    )
    this.#watchdog = watchdog
    let abandoned = false
    const emit = async (pixels: Frame, lores?: Frame) => {
      if (abandoned || this.#private) {
        pixels.free()
        lores?.free()
        return
      }
      watchdog.frame()
      await this.#handle(normalizer, { pixels, lores }, change)
    }
    const signal = AbortSignal.any([ending.signal, this.#interrupt.signal, this.#closing.signal])
    try {
      const capture = this.#options.captureFrom(settings.source)
      // two captures at once would compete for the device
      if (!(await endsWithinGrace(this.#stuck, signal)))
        return { reason: sanitizeError(signal.reason), worked: watchdog.hasFrames }
      const onData = () => watchdog.data()
      const capturing = capture({ ...settings, emit, onData, signal })
      if (!(await endsWithinGrace(capturing, signal))) this.#stuck = capturing.catch(() => {})
      return {
        reason: signal.aborted ? sanitizeError(signal.reason) : 'source ended',
        worked: watchdog.hasFrames,
      }
    } catch (err) {
      this.#options.log.debug({ reason: sanitizeError(err) }, 'source failed')
      return { reason: sanitizeError(signal.aborted ? signal.reason : err), worked: watchdog.hasFrames }
    } finally {
      abandoned = true
    }
  }

  async #handle(
    normalizer: FrameNormalizer,
    source: { pixels: Frame; lores: Frame | undefined },
    change: PendingChange | undefined,
  ): Promise<void> {
    const images = await normalizer.normalize(source)
    if (!images) return
    const { pixels } = images
    if (this.#private) {
      for (const image of Object.values(images)) image?.free()
      return
    }
    this.#rate.count()
    this.#size = { width: pixels.width, height: pixels.height }
    if (change && this.#change === change) this.#accept(change)
    if (this.#error !== null) this.#recover()
    this.#freezeFrame.end(pixels)
    this.#emitFrame(images, true)
  }

  /** The changed settings have delivered a frame. */
  #accept({ settings, outcome }: PendingChange): void {
    this.#settings = settings
    this.#change = undefined
    outcome.resolve()
    this.emit('change')
  }

  #emitFrame(images: ConstructorParameters<typeof CapturedFrame>[0], live: boolean): void {
    using captured = new CapturedFrame(images, { at: performance.now(), index: this.#index++, live })
    this.emit('frame', captured)
  }

  #recover(): void {
    this.#error = null
    this.#since = Date.now()
    this.#options.log.info(this.#size, 'camera works')
    this.#publish(true)
  }

  #fail(reason: string): void {
    if (this.#error !== reason) this.#showPlaceholder(reason)
    if (this.#error === null) this.#since = Date.now()
    this.#error = reason
    this.#publish(false)
  }

  #showPlaceholder(reason: string): void {
    const lines = this.#private ? ['Private', '', 'Camera and microphone are off'] : ['No camera', '', reason]
    this.#freezeFrame.showPlaceholder(lines, this.#size, this.#settings.fps)
  }

  #publish(ok: boolean): void {
    const isEdge = this.#lastOk !== undefined && this.#lastOk !== ok
    this.#lastOk = ok
    if (isEdge) this.emit('edge', ok, this.#error)
    this.emit('change')
  }
}
