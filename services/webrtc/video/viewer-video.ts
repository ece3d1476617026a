import type { Layer, VideoCodec } from '#bus/messages.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { runProbe } from '../congestion/probe-run.ts'
import { Prober } from '../congestion/prober.ts'
import type { Peer } from '../peer/peer.ts'
import { PictureOut } from './frame-sender.ts'
import { LayerChoice, type Mode } from './layer-choice.ts'
import { LayerSwitch } from './layer-switch.ts'
import type { VideoLayers } from './video-layers.ts'
import { barsOf, type Quality, type VideoQuality } from './video-quality.ts'

export interface ViewerVideoOptions {
  peer: Peer
  layers: VideoLayers
  codec: VideoCodec
  quality: Quality
  tally: EventCounter
  firstSent: () => void
  /** A picture of so many bytes, captured then (ms since the epoch), has left. */
  sent: (bytes: number, capturedAt: number) => void
  /** Another layer is shown, or the mode is another. */
  changed: () => void
}

/** How often the layer is looked at anew without any word from the viewer. Milliseconds. */
const LOOK = 250
/** bit/s of the estimate that are the audio's, and the share of the rest that is not headers and repetitions. */
const AUDIO = 30_000
const NET = 0.88
const LEAST_BITRATE = 150_000

/** The video of one viewer: which layer it gets at which bitrate, as its way allows. */
export class ViewerVideo implements Disposable {
  readonly #options: ViewerVideoOptions
  readonly #choice: LayerChoice
  readonly #switch: LayerSwitch
  readonly #out: PictureOut
  readonly #prober: Prober
  #timer: NodeJS.Timeout | undefined
  #probe: Disposable | undefined

  /** Watching begins at once, so that the encoder is warm when {@link start} is called. */
  constructor(options: ViewerVideoOptions) {
    const { peer, layers, codec, quality, tally } = options
    this.#options = options
    this.#choice = new LayerChoice(quality.ladder, quality.mode)
    this.#prober = new Prober(peer.link.most)
    this.#out = new PictureOut({
      peer,
      tally,
      firstSent: options.firstSent,
      sent: options.sent,
      broken: () => this.#switch.spoiled(),
    })
    this.#switch = new LayerSwitch({
      layers,
      codec,
      layer: this.#choice.layer,
      bitrate: (layer) => this.#bitrate(layer),
      picture: (picture) => this.#out.picture(picture),
      switched: () => options.changed(),
    })
  }

  get layer(): Layer {
    return this.#switch.layer
  }

  /** Sends from now on. */
  start(): void {
    this.#switch.start()
    this.#options.peer.link.onFeedback = () => this.#look()
    this.#timer = setInterval(() => this.#look(), LOOK)
  }

  keyframeWanted(): void {
    this.#switch.keyframeWanted()
  }

  /** Pins a layer, or lets the way decide again. */
  setMode(mode: Mode): void {
    this.#choice.mode = mode
    this.#look()
    this.#options.changed()
  }

  /** What the viewer is told of its video, at every change and every 2.5 s. */
  videoQuality(): VideoQuality {
    const { peer, quality } = this.#options
    const { received } = peer.video
    return {
      tier: this.layer,
      resolution: quality.resolution(this.layer),
      bitrate_kbps: Math.round(this.#bitrate(this.layer) / 1000),
      loss_pct: Math.round((received?.loss ?? 0) * 1000) / 10,
      rtt_ms: Math.round(received?.rtt ?? 0),
      bars: barsOf(received),
      mode: this.#choice.mode === 'auto' ? 'auto' : 'manual',
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#options.peer.link.onFeedback = () => undefined
    this.#probe?.[Symbol.dispose]()
    this.#switch[Symbol.dispose]()
    this.#out[Symbol.dispose]()
  }

  #look(): void {
    const now = performance.now()
    const { estimator } = this.#options.peer.link
    const others = this.#switch.others
    const layer = this.#choice.update({ available: this.#available, others, now })
    this.#switch.show(layer, this.#available)
    const rate = this.#prober.next(estimator, now)
    const { padding } = this.#options.peer.video
    if (rate !== undefined && padding) {
      this.#probe?.[Symbol.dispose]()
      this.#probe = runProbe(rate, padding)
    }
  }

  /** bit/s that the way has for video. */
  get #available(): number {
    return Math.max(0, this.#options.peer.link.estimator.target - AUDIO) * NET
  }

  /** bit/s that we want a layer to have. */
  #bitrate(layer: Layer): number {
    const most = this.#options.quality.ladder[layer].bitrate
    return Math.round(Math.min(most, Math.max(LEAST_BITRATE, this.#available)))
  }
}
