import type { Frame } from 'node-av'
import { encodeAccessUnit, nalUnits } from '#bus/access-unit.ts'
import type { Layer } from '#bus/messages.ts'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import type { Tally } from '#lib/tally.ts'
import { Canvas } from '../canvas.ts'
import type { CapturedFrame } from '../captured-frame.ts'
import { fit, type Size } from '../fit.ts'
import { createLatest, type Latest } from '../latest.ts'
import { createMeter } from '../meter.ts'
import { matrixOf, type Planes } from '../pixels.ts'
import { toEpoch, toRtpTimestamp } from '../wall-clock.ts'
import { Encoder } from './encoder.ts'

export interface LayerOptions {
  name: Layer
  box: Size
  fps: number
  log: Logger
  drops: Tally
  /** Draws on a picture of this layer. */
  paint(planes: Planes, captured: CapturedFrame): void
  publish(accessUnit: Buffer): Promise<void>
}

/** Time between two keyframes of a layer, at least. Milliseconds. */
const KEYFRAME_EVERY = 500
/** Waits before a broken encoder is replaced. Milliseconds. */
const REOPEN = { first: 1_000, cap: 60_000, least: 500 }
const NAL_IDR = 5

/**
 * One size of the video: scales, draws, encodes and publishes the newest picture. Its encoder is open only while a
 * bitrate is set.
 */
export class LayerStream implements AsyncDisposable {
  readonly #options: LayerOptions
  readonly #latest: Latest<CapturedFrame>
  readonly #canvas = new Canvas()
  readonly #meter = createMeter()
  #bitrate: number | undefined
  #encoder: Encoder | undefined
  #keyframeAsked = false
  #lastKeyframe = -KEYFRAME_EVERY
  readonly #backoff = createBackoff(REOPEN)
  #closedUntil = 0
  #lastAt = 0
  #counter = 0

  constructor(options: LayerOptions) {
    this.#options = options
    this.#latest = createLatest(
      (captured) => this.#handle(captured),
      () => options.drops.count(`${options.name}_too_slow`),
    )
  }

  /** bit/s; undefined when nobody watches. */
  set bitrate(bitrate: number | undefined) {
    this.#bitrate = bitrate
    if (bitrate !== undefined && this.#encoder) this.#encoder.bitrate = bitrate
  }

  get wanted(): boolean {
    return this.#bitrate !== undefined
  }

  /** What `vision/state` says of this layer. */
  get summary() {
    const { rate, bytes } = this.#meter.read()
    return { wanted: this.#bitrate ?? 0, bitrate: Math.round(bytes * 8), fps: Math.round(rate * 10) / 10 }
  }

  /** The next picture that is due for one becomes an IDR picture. */
  requestKeyframe(): void {
    this.#keyframeAsked = true
  }

  /** Closes the encoder when nobody watches, else encodes this picture unless a newer one overtakes it. */
  offer(captured: CapturedFrame): void {
    if (this.wanted || this.#encoder) this.#latest.offer(captured.share())
  }

  /** Resolves when the picture in hand is published. */
  settled(): Promise<void> {
    return this.#latest.settled()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#latest[Symbol.asyncDispose]()
    this.#closeEncoder()
    this.#canvas[Symbol.dispose]()
  }

  async #handle(captured: CapturedFrame): Promise<void> {
    const bitrate = this.#bitrate
    if (bitrate === undefined) return this.#closeEncoder()
    if (performance.now() < this.#closedUntil) return
    try {
      await this.#encode(captured, bitrate)
      this.#backoff.reset()
    } catch (err) {
      this.#closedUntil = performance.now() + this.#backoff.next()
      this.#options.log.warn({ err, layer: this.#options.name }, 'encoder broken, opening another')
      this.#closeEncoder()
    }
  }

  async #encode(captured: CapturedFrame, bitrate: number): Promise<void> {
    if (captured.at <= this.#lastAt) return
    this.#lastAt = captured.at
    const canvas = await this.#draw(captured)
    const encoder = await this.#encoderFor(canvas, bitrate)
    const now = performance.now()
    const keyframe = this.#keyframeAsked && now - this.#lastKeyframe >= KEYFRAME_EVERY
    const data = await encoder.encode(canvas, { at: captured.at, keyframe })
    if (holdsIdr(data)) {
      this.#keyframeAsked = false
      this.#lastKeyframe = now
    }
    this.#counter = (this.#counter + 1) >>> 0
    const accessUnit = encodeAccessUnit({
      capturedAt: BigInt(Math.round(toEpoch(captured.at) * 1000)),
      rtpTimestamp: toRtpTimestamp(captured.at),
      frame: this.#counter,
      data,
    })
    this.#meter.count(accessUnit.length)
    await this.#options.publish(accessUnit)
  }

  /** This layer's own copy of the picture, scaled and drawn on. */
  async #draw(captured: CapturedFrame): Promise<Frame> {
    const size = fit(captured.pixels, this.#options.box)
    const { frame, planes } = await this.#canvas.fill(captured.pixels, size)
    this.#options.paint(planes, captured)
    return frame
  }

  async #encoderFor(canvas: Frame, bitrate: number): Promise<Encoder> {
    const kind = { width: canvas.width, height: canvas.height, matrix: matrixOf(canvas) }
    if (this.#encoder?.fits(kind)) return this.#encoder
    this.#closeEncoder()
    this.#encoder = await Encoder.open({ ...kind, fps: this.#options.fps, bitrate })
    // may have been changed while it was opening
    this.#encoder.bitrate = this.#bitrate ?? bitrate
    this.#options.log.info({ layer: this.#options.name, ...kind, bitrate }, 'encoder opened')
    return this.#encoder
  }

  #closeEncoder(): void {
    if (!this.#encoder) return
    this.#encoder[Symbol.dispose]()
    this.#encoder = undefined
    this.#options.log.info({ layer: this.#options.name }, 'encoder closed')
  }
}

function holdsIdr(data: Buffer): boolean {
  for (const nal of nalUnits(data)) if (((nal[0] ?? 0) & 0x1f) === NAL_IDR) return true
  return false
}
