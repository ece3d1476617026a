import type { Layer, VideoCodec } from '#bus/messages.ts'
import type { Picture, PictureSink } from './video-feed.ts'
import type { VideoLayers, Watching } from './video-layers.ts'

interface LayerSwitchOptions {
  layers: VideoLayers
  codec: VideoCodec
  /** The first. */
  layer: Layer
  /** bit/s that this viewer wants a layer to have. */
  bitrate: (layer: Layer) => number
  /** A picture to be sent. */
  picture: (picture: Picture) => void
  switched: () => void
}

/** A keyframe that was asked for and has not come is asked for again, in milliseconds. */
const ASK_AGAIN = 1_000
/** RTP ticks of a millisecond of video. RFC 6184 §8.2.1. */
const MILLISECOND = 90
/** A layer that is this much over what the way carries is not sent any more while a smaller one begins. */
const TOO_MUCH = 1.3

/** Shows one viewer one layer at a time, and goes from one to another at a keyframe. */
export class LayerSwitch implements PictureSink, Disposable {
  readonly #options: LayerSwitchOptions
  #shown: Watching
  #next: Watching | undefined
  /** DTLS is up and the session is current. */
  #started = false
  /** bit/s that the shown layer had before another was chosen. */
  #sent = 0
  #needsKeyframe = true
  #asked = Number.NEGATIVE_INFINITY
  #askedNext = Number.NEGATIVE_INFINITY

  constructor(options: LayerSwitchOptions) {
    this.#options = options
    this.#shown = this.#watch(options.layer)
  }

  /** What is shown. */
  get layer(): Layer {
    return this.#shown.layer
  }

  /** bit/s at which others have each layer made. */
  get others(): Partial<Record<Layer, number>> {
    return this.#shown.others
  }

  /**
   * Sends from now on. A keyframe that came a moment ago, when the encoder began for this viewer, will not be repeated so
   * soon: it is sent with what followed it, the timestamps drawn together before the newest so that all is shown at once
   * and the viewer learns no delay from it. Otherwise a new keyframe is asked for.
   */
  start(): void {
    this.#started = true
    const recent = this.#shown.recent()
    const newest = recent.at(-1)?.timestamp ?? 0
    for (const [i, picture] of recent.entries()) {
      const timestamp = (newest - (recent.length - 1 - i) * MILLISECOND) >>> 0
      this.picture({ ...picture, timestamp })
    }
    if (this.#needsKeyframe) this.keyframeWanted()
  }

  /** Brings this layer as soon as a keyframe of it is there. `available` bit/s. */
  show(layer: Layer, available: number): void {
    if (!this.#next) this.#sent = Math.max(this.others[this.#shown.layer] ?? 0, this.#shown.bitrate)
    for (const watching of [this.#shown, this.#next]) {
      watching?.want(this.#options.bitrate(watching.layer))
    }
    if (layer !== (this.#next ?? this.#shown).layer) this.#prepare(layer)
    if (this.#next && this.#sent > available * TOO_MUCH) this.#needsKeyframe = true
  }

  keyframeWanted(): void {
    this.#asked = performance.now()
    this.#shown.requestKeyframe()
  }

  /** What was sent is of no use before the next keyframe. */
  spoiled(): void {
    this.#needsKeyframe = true
    this.keyframeWanted()
  }

  picture(picture: Picture): void {
    if (!this.#started) return
    if (picture.layer === this.#next?.layer) this.#take(picture)
    else if (picture.layer === this.#shown.layer) this.#pass(picture)
  }

  interrupted(layer: Layer): void {
    if (layer === this.#shown.layer) this.#needsKeyframe = true
  }

  [Symbol.dispose](): void {
    this.#started = false
    this.#shown[Symbol.dispose]()
    this.#next?.[Symbol.dispose]()
  }

  #watch(layer: Layer): Watching {
    const { layers, codec, bitrate } = this.#options
    return layers.watch({ layer, codec, bitrate: bitrate(layer), sink: this })
  }

  #prepare(layer: Layer): void {
    this.#next?.[Symbol.dispose]()
    this.#next = layer === this.#shown.layer ? undefined : this.#watch(layer)
    this.#askedNext = performance.now()
    // an encoder that begins for us begins with a keyframe
    if (this.#next && !this.#next.fresh) this.#next.requestKeyframe()
  }

  #take(picture: Picture): void {
    const next = this.#next
    if (!next) return
    if (!picture.keyframe) {
      if (performance.now() - this.#askedNext <= ASK_AGAIN) return
      this.#askedNext = performance.now()
      next.requestKeyframe()
      return
    }
    this.#shown[Symbol.dispose]()
    this.#shown = next
    this.#next = undefined
    this.#pass(picture)
    this.#options.switched()
  }

  #pass(picture: Picture): void {
    if (this.#needsKeyframe && !picture.keyframe) {
      if (performance.now() - this.#asked > ASK_AGAIN) this.keyframeWanted()
      return
    }
    this.#needsKeyframe = false
    this.#options.picture(picture)
  }
}
