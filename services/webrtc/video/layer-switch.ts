import type { Layer, VideoCodec } from '#bus/messages.ts'
import type { FrameSink, PacketizedFrame } from './layer-feed.ts'
import type { RateControl } from './rate-control.ts'
import type { LayerSubscription, VideoLayers } from './video-layers.ts'

interface LayerSwitchOptions {
  layers: VideoLayers
  codec: VideoCodec
  rate: RateControl
  /** A frame to be sent. */
  onFrame: (frame: PacketizedFrame) => void
  onSwitched: () => void
}

/** A requested keyframe that has not arrived is requested again after this time. */
const RETRY_KEYFRAME_MS = 1_000
/** RTP ticks per ms of video. RFC 6184 §8.2.1. */
const TICKS_PER_MS = 90

/** Shows one viewer one layer at a time, and switches to another at a keyframe. */
export class LayerSwitch implements FrameSink, Disposable {
  readonly #options: LayerSwitchOptions
  #current: LayerSubscription
  #next: LayerSubscription | undefined
  #started = false
  /** bit/s of the current layer before another was chosen. */
  #currentBitrate = 0
  #needsKeyframe = true
  #requestedAt = Number.NEGATIVE_INFINITY
  #nextRequestedAt = Number.NEGATIVE_INFINITY

  constructor(options: LayerSwitchOptions) {
    this.#options = options
    this.#current = this.#subscribe(options.rate.layer)
  }

  /** The layer that is sent. */
  get layer(): Layer {
    return this.#current.layer
  }

  /** bit/s that other viewers request of each layer. */
  get others(): Partial<Record<Layer, number>> {
    return this.#current.others
  }

  /**
   * Sends from now on. A recent keyframe, made when the encoder started for this viewer, will not be repeated soon: it is
   * sent with the frames that followed it, their timestamps compressed just before the newest, so that all are shown at
   * once and add no delay. Without one a keyframe is requested.
   */
  start(): void {
    this.#started = true
    const recent = this.#current.recent()
    const newest = recent.at(-1)?.timestamp ?? 0
    for (const [i, frame] of recent.entries()) {
      const timestamp = (newest - (recent.length - 1 - i) * TICKS_PER_MS) >>> 0
      this.frame({ ...frame, timestamp })
    }
    if (this.#needsKeyframe) this.requestKeyframe()
  }

  /** Switches to this layer at its next keyframe. */
  show(layer: Layer): void {
    const { rate } = this.#options
    if (!this.#next) {
      this.#currentBitrate = Math.max(this.others[this.#current.layer] ?? 0, this.#current.bitrate)
    }
    for (const one of [this.#current, this.#next]) one?.setBitrate(rate.bitrate(one.layer))
    if (layer !== (this.#next ?? this.#current).layer) this.#prepare(layer)
    if (this.#next && rate.mustPause(this.#currentBitrate)) this.#needsKeyframe = true
  }

  requestKeyframe(): void {
    this.#requestedAt = performance.now()
    this.#current.requestKeyframe()
  }

  /** The viewer cannot decode further frames before a keyframe. */
  frameDropped(): void {
    this.#needsKeyframe = true
    this.requestKeyframe()
  }

  frame(frame: PacketizedFrame): void {
    if (!this.#started) return
    if (frame.layer === this.#next?.layer) this.#switchAt(frame, this.#next)
    else if (frame.layer === this.#current.layer) this.#pass(frame)
  }

  interrupted(layer: Layer): void {
    if (layer === this.#current.layer) this.#needsKeyframe = true
  }

  [Symbol.dispose](): void {
    this.#started = false
    this.#current[Symbol.dispose]()
    this.#next?.[Symbol.dispose]()
  }

  #subscribe(layer: Layer): LayerSubscription {
    const { layers, codec, rate } = this.#options
    return layers.subscribe({ layer, codec, bitrate: rate.bitrate(layer), sink: this })
  }

  #prepare(layer: Layer): void {
    this.#next?.[Symbol.dispose]()
    this.#next = layer === this.#current.layer ? undefined : this.#subscribe(layer)
    this.#nextRequestedAt = performance.now()
    // an encoder that starts for us starts with a keyframe
    if (this.#next && !this.#next.first) this.#next.requestKeyframe()
  }

  #switchAt(frame: PacketizedFrame, next: LayerSubscription): void {
    if (!frame.keyframe) {
      if (performance.now() - this.#nextRequestedAt <= RETRY_KEYFRAME_MS) return
      this.#nextRequestedAt = performance.now()
      next.requestKeyframe()
      return
    }
    this.#current[Symbol.dispose]()
    this.#current = next
    this.#next = undefined
    this.#pass(frame)
    this.#options.onSwitched()
  }

  #pass(frame: PacketizedFrame): void {
    if (this.#needsKeyframe && !frame.keyframe) {
      if (performance.now() - this.#requestedAt > RETRY_KEYFRAME_MS) this.requestKeyframe()
      return
    }
    this.#needsKeyframe = false
    this.#options.onFrame(frame)
  }
}
