import type { Frame } from 'node-av'
import type { Layer, VideoCodec } from '#bus/messages.ts'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { createLatest, type Latest } from '../frame/conflating-queue.ts'
import { createMeter } from '../frame/rate-meter.ts'
import { toEpoch, toRtpTimestamp } from '../frame/wall-clock.ts'
import { fit, type Size } from '../image/fit.ts'
import { matrixOf, type Planes } from '../image/pixels.ts'
import { Canvas } from '../image/scratch-frame.ts'
import type { Encoded } from '../metrics.ts'
import type { Encoder } from './encoder.ts'
import { FORMATS } from './formats.ts'
import type { Load } from './overload-control.ts'
import type { Vp8Encoder } from './vp8-encoder.ts'

export interface LayerOptions {
  name: Layer
  codec: VideoCodec
  log: Logger
  drops: EventCounter
  /** Draws on a picture of this layer. */
  paint(planes: Planes, captured: CapturedFrame): void
  publish(accessUnit: Buffer): Promise<void>
  load: { published(encoded: Encoded): void } & Pick<Load, 'dropped'>
}

/** Time between two keyframes of a layer, at least. Milliseconds. */
const KEYFRAME_EVERY = 500
/** Waits before a broken encoder is replaced. Milliseconds. */
const REOPEN = { first: 1_000, cap: 60_000, least: 500 }

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
  #encoder: Encoder | Vp8Encoder | undefined
  #keyframeAsked = false
  #lastKeyframe = -KEYFRAME_EVERY
  readonly #backoff = createBackoff(REOPEN)
  /** The largest picture. */
  box: Size
  /** Pictures a second. */
  fps: number
  #size: Size | undefined
  #closedUntil = 0
  #lastAt = 0
  #counter = 0

  constructor(options: LayerOptions, { box, fps }: { box: Size; fps: number }) {
    this.#options = options
    this.box = box
    this.fps = fps
    this.#latest = createLatest(
      (captured) => this.#handle(captured),
      () => {
        options.drops.count(`${options.name}_too_slow`)
        options.load.dropped()
      },
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
    return {
      wanted: this.#bitrate ?? 0,
      bitrate: Math.round(bytes * 8),
      fps: Math.round(rate * 10) / 10,
      ...this.#size,
    }
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
    const encoding = performance.now() - now
    if (data.length === 0) return // libvpx has left this picture out
    const { name: layer, codec } = this.#options
    const format = FORMATS[codec]
    if (format.isKeyframe(data)) {
      this.#keyframeAsked = false
      this.#lastKeyframe = now
    }
    this.#counter = (this.#counter + 1) >>> 0
    const accessUnit = format.pack({
      capturedAt: BigInt(Math.round(toEpoch(captured.at) * 1000)),
      rtpTimestamp: toRtpTimestamp(captured.at),
      frame: this.#counter,
      data,
    })
    this.#meter.count(accessUnit.length)
    this.#options.load.published({ layer, codec, age: performance.now() - captured.at, encoding })
    await this.#options.publish(accessUnit)
  }

  /** This layer's own copy of the picture, scaled and drawn on. */
  async #draw(captured: CapturedFrame): Promise<Frame> {
    const size = fit(captured.pixels, this.box)
    const { frame, planes } = await this.#canvas.fill(captured.pixels, size)
    this.#options.paint(planes, captured)
    return frame
  }

  async #encoderFor(canvas: Frame, bitrate: number): Promise<Encoder | Vp8Encoder> {
    const { fps } = this
    const { codec, log, name } = this.#options
    const kind = { width: canvas.width, height: canvas.height, matrix: matrixOf(canvas) }
    if (this.#encoder?.fits(kind) && this.#encoder.options.fps === fps) return this.#encoder
    this.#closeEncoder()
    this.#encoder = await FORMATS[codec].open({ ...kind, fps, bitrate })
    this.#size = { width: kind.width, height: kind.height }
    // may have been changed while it was opening
    this.#encoder.bitrate = this.#bitrate ?? bitrate
    log.info({ layer: name, codec, ...kind, bitrate }, 'encoder opened')
    return this.#encoder
  }

  #closeEncoder(): void {
    if (!this.#encoder) return
    this.#encoder[Symbol.dispose]()
    this.#encoder = undefined
    this.#size = undefined
    const { name, codec } = this.#options
    this.#options.log.info({ layer: name, codec }, 'encoder closed')
  }
}
