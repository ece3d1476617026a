import { type AccessUnit, decodeAccessUnit } from '#bus/access-unit.ts'
import type { Bus } from '#bus/bus.ts'
import { decodeIvf } from '#bus/ivf.ts'
import type { Layer, VideoCodec } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { WebrtcMetrics } from '../metrics.ts'
import { packetizeH264 } from '../rtp/h264-packetizer.ts'
import { createTimeline } from '../rtp/timestamp-rebaser.ts'
import { packetizeVp8 } from '../rtp/vp8-packetizer.ts'
import { createKeyframeRequests, type KeyframeRequests, MIN_INTERVAL } from './keyframe-requests.ts'
import { createFreshness } from './max-age-filter.ts'

/** One picture, ready to be sent to every viewer of its layer. */
export interface Picture {
  layer: Layer
  keyframe: boolean
  /** RTP payloads, in order. */
  payloads: Buffer[]
  /** 90 kHz, continuous over restarts of the source. */
  timestamp: number
  /** ms since the epoch. */
  capturedAt: number
}

export interface PictureSink {
  picture(picture: Picture): void
  /** Pictures of this layer were lost: what follows makes no sense before the next keyframe. */
  interrupted(layer: Layer): void
}

interface FeedDeps {
  bus: Bus
  log: Logger
  tally: EventCounter
  metrics: Pick<WebrtcMetrics, 'stages'>
}

/** How each codec travels on the bus and over RTP. */
const FORMATS = {
  h264: { topic: topics.video, decode: decodeAccessUnit, packetize: packetizeH264 },
  vp8: { topic: topics.videoVp8, decode: decodeIvf, packetize: packetizeVp8 },
} as const

/** One layer of the video, as long as somebody watches it. Each picture is packetised once, however many viewers there are. */
export class LayerFeed implements Disposable {
  readonly sinks = new Set<PictureSink>()
  readonly #tally: EventCounter
  readonly #freshness = createFreshness()
  readonly #timeline = createTimeline()
  readonly #keyframes: KeyframeRequests
  readonly #subscribed: Promise<Disposable>
  readonly #layer: Layer
  readonly #stages: WebrtcMetrics['stages']
  readonly #packetize: (data: Buffer) => Buffer[]
  #last: number | undefined
  #recent: Picture[] = []
  #keyframeAt = 0
  /** Pictures are missing, and no keyframe has come since. */
  #broken = false
  #closed = false

  constructor({ layer, codec }: { layer: Layer; codec: VideoCodec }, { bus, log, tally, metrics }: FeedDeps) {
    const { topic, decode, packetize } = FORMATS[codec]
    this.#layer = layer
    this.#packetize = packetize
    this.#tally = tally
    this.#stages = metrics.stages
    this.#keyframes = createKeyframeRequests(() => {
      bus
        .publish(topics.keyframe, {}, { layer })
        .catch((err: unknown) => log.warn({ err }, 'keyframe not requested'))
    })
    this.#subscribed = bus.subscribe(topic, (bytes) => this.#take(decode(bytes)), { layer })
    this.#subscribed.catch((err: unknown) => log.error({ err, layer }, 'cannot subscribe to the video'))
  }

  requestKeyframe(): void {
    this.#keyframes.request()
  }

  /** The pictures from the last keyframe on, if that is younger than the pause before the next one; else none. */
  recent(): readonly Picture[] {
    return performance.now() - this.#keyframeAt <= MIN_INTERVAL ? this.#recent : []
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#keyframes[Symbol.dispose]()
    this.#subscribed.then(
      (subscription) => subscription[Symbol.dispose](),
      () => undefined, // logged above
    )
  }

  #take(unit: AccessUnit): void {
    if (this.#closed) return
    const capturedAt = Number(unit.capturedAt) / 1000
    this.#stages.passed('bus', Date.now() - capturedAt)
    const gap = this.#last !== undefined && unit.frame !== (this.#last + 1) >>> 0
    this.#last = unit.frame
    if (!this.#freshness.isFresh(capturedAt)) this.#interrupt('too old')
    else if (unit.keyframe) this.#mend()
    else if (gap) this.#interrupt('gap')
    if (this.#broken || this.sinks.size === 0) return
    const picture = {
      layer: this.#layer,
      keyframe: unit.keyframe,
      payloads: this.#packetize(unit.data),
      timestamp: this.#timeline.place(unit.rtpTimestamp, capturedAt),
      capturedAt,
    }
    this.#remember(picture)
    for (const sink of this.sinks) sink.picture(picture)
  }

  /** Holds half a second of pictures at most. */
  #remember(picture: Picture): void {
    if (picture.keyframe) {
      this.#recent = [picture]
      this.#keyframeAt = performance.now()
    } else this.#recent = this.recent().length > 0 ? [...this.#recent, picture] : []
  }

  #mend(): void {
    this.#broken = false
    this.#keyframes.arrived()
  }

  /** Spoils every picture up to the next keyframe. */
  #interrupt(cause: string): void {
    this.#tally.count(cause)
    this.#keyframes.request()
    if (this.#broken) return
    this.#broken = true
    this.#recent = []
    for (const sink of this.sinks) sink.interrupted(this.#layer)
  }
}
