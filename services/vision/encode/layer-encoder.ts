import type { Frame } from 'node-av/lib'
import { type AccessUnit, encodeAccessUnit, nalUnits } from '#bus/access-unit.ts'
import type { Bus } from '#bus/bus.ts'
import { encodeIvf, isKeyframe } from '#bus/ivf.ts'
import type { Layer, VideoCodec } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import { toEpoch, toRtpTimestamp } from '#lib/media/wall-clock.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { type ConflatingQueue, createConflatingQueue } from '../frame/conflating-queue.ts'
import { createRateMeter } from '../frame/rate-meter.ts'
import { fit, type Size } from '../image/fit.ts'
import { matrixOf } from '../image/pixels.ts'
import { ScratchFrame } from '../image/scratch-frame.ts'
import type { Encoded } from '../metrics.ts'
import type { OverlayRenderer } from '../overlay/overlay-renderer.ts'
import type { EncoderOptions } from './codec-context.ts'
import { Encoder } from './encoder.ts'
import { Vp8Encoder } from './vp8-encoder.ts'

interface LayerEncoderOptions {
  layer: Layer
  codec: VideoCodec
  bus: Bus
  log: Logger
  drops: EventCounter
  overlay: Pick<OverlayRenderer, 'paint' | 'enabled'>
  onPublished(encoded: Encoded): void
  onDropped(): void
}

/** Shortest time between two keyframes of a layer. */
const KEYFRAME_INTERVAL_MS = 500
/** Waits before a broken encoder is reopened, in ms. */
const REOPEN = { first: 1_000, cap: 60_000, least: 500 }
const NAL_IDR = 5

/** What differs between the codecs. */
interface Codec {
  open(options: EncoderOptions): Promise<Encoder | Vp8Encoder>
  isKeyframe(data: Buffer): boolean
  /** The message on the bus. */
  pack(unit: Omit<AccessUnit, 'keyframe'>): Buffer
  topic: typeof topics.video
}

const CODECS: Readonly<Record<VideoCodec, Codec>> = {
  h264: { open: Encoder.open, isKeyframe: hasIdr, pack: encodeAccessUnit, topic: topics.video },
  vp8: { open: Vp8Encoder.open, isKeyframe, pack: encodeIvf, topic: topics.videoVp8 },
}

/**
 * One layer of the video in one codec: scales, draws, encodes and publishes the latest frame. Its encoder is open only
 * while a bitrate is set.
 */
export class LayerEncoder implements AsyncDisposable {
  readonly #options: LayerEncoderOptions
  readonly #queue: ConflatingQueue<CapturedFrame>
  readonly #scratch = new ScratchFrame()
  readonly #rate = createRateMeter()
  readonly #backoff = createBackoff(REOPEN)
  /** The largest frame. */
  box: Size
  fps: number
  #bitrate: number | undefined
  #encoder: Encoder | Vp8Encoder | undefined
  #keyframeRequested = false
  #lastKeyframe = -KEYFRAME_INTERVAL_MS
  #size: Size | undefined
  #closedUntil = 0
  #lastAt = 0
  #counter = 0

  constructor(options: LayerEncoderOptions, { box, fps }: { box: Size; fps: number }) {
    this.#options = options
    this.box = box
    this.fps = fps
    this.#queue = createConflatingQueue(
      (captured) => this.#handle(captured),
      () => {
        options.drops.count(`${options.layer}_too_slow`)
        options.onDropped()
      },
    )
  }

  get layer(): Layer {
    return this.#options.layer
  }

  get codec(): VideoCodec {
    return this.#options.codec
  }

  /** bit/s; undefined without demand. */
  set bitrate(bitrate: number | undefined) {
    this.#bitrate = bitrate
    if (bitrate !== undefined && this.#encoder) this.#encoder.bitrate = bitrate
  }

  get wanted(): boolean {
    return this.#bitrate !== undefined
  }

  /** This layer in `vision/state`. */
  get summary() {
    const { rate, bytes } = this.#rate.read()
    return {
      wanted: this.#bitrate ?? 0,
      bitrate: Math.round(bytes * 8),
      fps: Math.round(rate * 10) / 10,
      ...this.#size,
    }
  }

  /** Makes the next frame an IDR frame, at most one in {@link KEYFRAME_INTERVAL_MS}. */
  requestKeyframe(): void {
    this.#keyframeRequested = true
  }

  /** Encodes this frame unless a newer one replaces it; closes the encoder without demand. */
  offer(captured: CapturedFrame): void {
    if (this.wanted || this.#encoder) this.#queue.offer(captured.share())
  }

  /** Resolves when the frame in process is published. */
  settled(): Promise<void> {
    return this.#queue.settled()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]()
    this.#closeEncoder()
    this.#scratch[Symbol.dispose]()
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
      this.#options.log.warn({ err, layer: this.layer }, 'encoder failed, reopening')
      this.#closeEncoder()
    }
  }

  async #encode(captured: CapturedFrame, bitrate: number): Promise<void> {
    if (captured.at <= this.#lastAt) return
    this.#lastAt = captured.at
    const { layer, codec, bus } = this.#options
    const pixels = await this.#draw(captured)
    const encoder = await this.#encoderFor(pixels, bitrate)
    const start = performance.now()
    const keyframe = this.#keyframeRequested && start - this.#lastKeyframe >= KEYFRAME_INTERVAL_MS
    const data = await encoder.encode(pixels, { at: captured.at, keyframe })
    const encoding = performance.now() - start
    if (data.length === 0) return // libvpx has dropped this frame
    if (CODECS[codec].isKeyframe(data)) {
      this.#keyframeRequested = false
      this.#lastKeyframe = start
    }
    this.#counter = (this.#counter + 1) >>> 0
    const unit = CODECS[codec].pack({
      capturedAt: BigInt(Math.round(toEpoch(captured.at) * 1000)),
      rtpTimestamp: toRtpTimestamp(captured.at),
      frame: this.#counter,
      data,
    })
    this.#rate.count(unit.length)
    this.#options.onPublished({ layer, codec, age: performance.now() - captured.at, encoding })
    await bus.publish(CODECS[codec].topic, unit, { layer })
  }

  /** The frame for this layer: scaled and with the overlay a copy, else the frame itself. */
  async #draw(captured: CapturedFrame): Promise<Frame> {
    const size = fit(captured.pixels, this.box)
    const isSameSize = size.width === captured.pixels.width && size.height === captured.pixels.height
    if (isSameSize && !this.#options.overlay.enabled) return captured.pixels
    const { frame, planes } = await this.#scratch.fill(captured.pixels, size)
    this.#options.overlay.paint(planes, captured)
    return frame
  }

  async #encoderFor(pixels: Frame, bitrate: number): Promise<Encoder | Vp8Encoder> {
    const { fps, codec, layer } = this
    const kind = { width: pixels.width, height: pixels.height, matrix: matrixOf(pixels) }
    if (this.#encoder?.fits(kind) && this.#encoder.options.fps === fps) return this.#encoder
    this.#closeEncoder()
    this.#encoder = await CODECS[codec].open({ ...kind, fps, bitrate })
    this.#size = { width: kind.width, height: kind.height }
    // may have changed while the encoder was opening
    this.#encoder.bitrate = this.#bitrate ?? bitrate
    this.#options.log.info({ layer, codec, ...kind, bitrate }, 'encoder opened')
    return this.#encoder
  }

  #closeEncoder(): void {
    if (!this.#encoder) return
    this.#encoder[Symbol.dispose]()
    this.#encoder = undefined
    this.#size = undefined
    this.#options.log.info({ layer: this.layer, codec: this.codec }, 'encoder closed')
  }
}

function hasIdr(data: Buffer): boolean {
  for (const nal of nalUnits(data)) if (((nal[0] ?? 0) & 0x1f) === NAL_IDR) return true
  return false
}
