import type { Layer, VideoCodec } from '#bus/messages.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { schedulingDelay } from '#lib/process/scheduling-delay.ts'
import { everyShared } from '#lib/process/shared-interval.ts'
import { sendProbe } from '../congestion/probe.ts'
import type { Peer } from '../peer/peer.ts'
import { FrameSender } from './frame-sender.ts'
import { LayerSwitch } from './layer-switch.ts'
import { type Mode, RateControl } from './rate-control.ts'
import type { VideoLayers } from './video-layers.ts'
import { signalBars, type VideoQuality, type VideoQualitySettings } from './video-quality.ts'

export interface ViewerVideoOptions {
  peer: Peer
  layers: VideoLayers
  codec: VideoCodec
  quality: VideoQualitySettings
  discarded: EventCounter
  onFirstFrame: () => void
  /** A frame of this size is sent; `capturedAt` in ms since the epoch. */
  onSent: (bytes: number, capturedAt: number) => void
  /** The layer or the mode has changed. */
  onChanged: () => void
}

/** Interval of the rate decisions. */
const DECISION_INTERVAL_MS = 250
/** In the first seconds, and on a congested path, each feedback message is followed by one. */
const FIRST_SECONDS_MS = 10_000

/** The video of one viewer: connects rate control, layer switch and frame sender. */
export class ViewerVideo implements Disposable {
  readonly #options: ViewerVideoOptions
  readonly #rate: RateControl
  readonly #switch: LayerSwitch
  readonly #sender: FrameSender
  #timer: Disposable | undefined
  #probe: Disposable | undefined

  /** Subscribes at once, so that the encoder is warm when {@link start} is called. */
  constructor(options: ViewerVideoOptions) {
    const { peer, layers, codec, quality, discarded } = options
    const { estimator, maxBitrate } = peer.congestion
    this.#options = options
    this.#rate = new RateControl({
      ladder: quality.ladder,
      mode: quality.mode,
      estimator,
      maxEstimate: maxBitrate,
      isStarved: () => schedulingDelay.isStarved,
    })
    this.#switch = new LayerSwitch({
      layers,
      codec,
      rate: this.#rate,
      onFrame: (frame) => this.#sender.send(frame),
      onSwitched: options.onChanged,
    })
    this.#sender = new FrameSender({
      peer,
      discarded,
      onFirstFrame: options.onFirstFrame,
      onSent: options.onSent,
      onDropped: () => this.#switch.frameDropped(),
    })
  }

  get layer(): Layer {
    return this.#switch.layer
  }

  /** Sends from now on. */
  start(): void {
    this.#switch.start()
    const { congestion } = this.#options.peer
    const start = performance.now()
    congestion.onFeedback = () => {
      if (congestion.estimator.congested || performance.now() - start < FIRST_SECONDS_MS) this.#decide()
    }
    this.#timer = everyShared(DECISION_INTERVAL_MS, () => this.#decide())
  }

  requestKeyframe(): void {
    this.#switch.requestKeyframe()
  }

  setMode(mode: Mode): void {
    this.#rate.mode = mode
    this.#decide()
    this.#options.onChanged()
  }

  /** The `video_quality` message, sent at every change and every 2.5 s. */
  videoQuality(): VideoQuality {
    const { peer, quality } = this.#options
    const { received } = peer.video
    const limitedBy = quality.limitedBy(this.layer)
    return {
      ...quality.vision,
      ...(limitedBy && { limited_by: limitedBy }),
      tier: this.layer,
      resolution: quality.resolution(this.layer),
      bitrate_kbps: Math.round(this.#rate.bitrate(this.layer) / 1000),
      loss_pct: Math.round((received?.loss ?? 0) * 1000) / 10,
      rtt_ms: Math.round(received?.rtt ?? 0),
      bars: signalBars(received),
      mode: this.#rate.mode === 'auto' ? 'auto' : 'manual',
    }
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
    this.#options.peer.congestion.onFeedback = () => undefined
    this.#probe?.[Symbol.dispose]()
    this.#switch[Symbol.dispose]()
    this.#sender[Symbol.dispose]()
  }

  #decide(): void {
    const { layer, probe } = this.#rate.decide(this.#switch.others, performance.now())
    this.#switch.show(layer)
    if (probe === undefined) return
    const { padding } = this.#options.peer.video
    if (!padding) return
    this.#probe?.[Symbol.dispose]()
    this.#probe = sendProbe(probe, padding)
  }
}
