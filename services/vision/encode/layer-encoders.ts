/** Encoders: one for each layer and codec in demand, snapshots, and the control of overload. */
import { EventEmitter } from 'node:events'
import type { Bus } from '#bus/bus.ts'
import { LAYERS, type Layer, VIDEO_CODECS } from '#bus/messages.ts'
import { type LayerLadder, layerLadder } from '#lib/layer-ladder.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import type { Encoded } from '../metrics.ts'
import type { OverlayRenderer } from '../overlay/overlay-renderer.ts'
import type { Wanted } from './demand.ts'
import { LayerEncoder } from './layer-encoder.ts'

/** Bounds of the bitrate in demand: bit/s, and a multiple of the layer's bitrate. */
const MIN_BITRATE = 100_000
const MAX_MULTIPLE = 2

interface LayerEncodersEvents {
  published: [encoded: Encoded]
  /** A frame was dropped because its encoder was busy. */
  dropped: []
}

interface LayerEncodersOptions {
  bus: Bus
  log: Logger
  drops: EventCounter
  overlay: Pick<OverlayRenderer, 'paint' | 'enabled'>
  fps: number
  /** bit/s, the default of layer `high`. */
  bitrate: number
}

/** All layers of the video. */
export class LayerEncoders extends EventEmitter<LayerEncodersEvents> implements AsyncDisposable {
  readonly #encoders: readonly LayerEncoder[]
  readonly #ladder: LayerLadder

  constructor({ bitrate, fps, ...options }: LayerEncodersOptions) {
    super()
    this.#ladder = layerLadder(bitrate)
    const onPublished = (encoded: Encoded) => this.emit('published', encoded)
    const onDropped = () => this.emit('dropped')
    this.#encoders = VIDEO_CODECS.flatMap((codec) =>
      LAYERS.map(
        (layer) =>
          new LayerEncoder(
            { ...options, layer, codec, onPublished, onDropped },
            { box: this.#ladder[layer], fps },
          ),
      ),
    )
  }

  offer(captured: CapturedFrame): void {
    for (const encoder of this.#encoders) encoder.offer(captured)
  }

  /** Resolves when the frames in process are published. */
  async settled(): Promise<void> {
    await Promise.all(this.#encoders.map((encoder) => encoder.settled()))
  }

  /** Encodes exactly these layers from now on. Returns whether the set of layers has changed. */
  want(wanted: Wanted): boolean {
    let changed = false
    for (const encoder of this.#encoders) {
      const bitrate = wanted[encoder.codec][encoder.layer]
      changed ||= encoder.wanted !== (bitrate !== undefined)
      const max = this.#ladder[encoder.layer].bitrate * MAX_MULTIPLE
      encoder.bitrate = bitrate && Math.round(Math.max(MIN_BITRATE, Math.min(max, bitrate)))
    }
    return changed
  }

  requestKeyframe(layer: Layer): void {
    for (const encoder of this.#encoders) if (encoder.layer === layer) encoder.requestKeyframe()
  }

  setFps(fps: number): void {
    for (const encoder of this.#encoders) encoder.fps = fps
  }

  /** Limits the frames of every layer to the size of the layer so many steps below it. */
  reduce(steps: number): void {
    for (const encoder of this.#encoders) encoder.box = this.#ladder[layerBelow(encoder.layer, steps)]
  }

  /** `layers` in `vision/state`: each layer in demand; `<layer>/vp8` for VP8. */
  get summary() {
    const wanted = this.#encoders.filter((encoder) => encoder.wanted)
    return Object.fromEntries(
      wanted.map(({ layer, codec, summary }) => [codec === 'h264' ? layer : `${layer}/${codec}`, summary]),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#encoders.map((encoder) => encoder[Symbol.asyncDispose]()))
  }
}

function layerBelow(layer: Layer, steps: number): Layer {
  return LAYERS[Math.min(LAYERS.length - 1, LAYERS.indexOf(layer) + steps)] ?? layer
}
