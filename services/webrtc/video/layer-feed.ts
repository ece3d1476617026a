import { type AccessUnit, decodeAccessUnit } from '#bus/access-unit.ts'
import type { Bus } from '#bus/bus.ts'
import { decodeIvf } from '#bus/ivf.ts'
import type { Layer, VideoCodec } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { WebrtcMetrics } from '../metrics.ts'
import { packetizeH264 } from '../rtp/h264-packetizer.ts'
import { MaxAgeFilter } from '../rtp/max-age-filter.ts'
import { TimestampRebaser } from '../rtp/timestamp-rebaser.ts'
import { packetizeVp8 } from '../rtp/vp8-packetizer.ts'

/** One frame, packetized for every viewer of its layer. */
export interface PacketizedFrame {
  layer: Layer
  keyframe: boolean
  /** RTP payloads, in order. */
  payloads: Buffer[]
  /** 90 kHz, continuous over restarts of the source. */
  timestamp: number
  /** ms since the epoch. */
  capturedAt: number
}

export interface FrameSink {
  frame(frame: PacketizedFrame): void
  /** Frames of this layer were lost: the next ones cannot be decoded before a keyframe. */
  interrupted(layer: Layer): void
}

export interface FeedDeps {
  bus: Bus
  log: Logger
  discarded: EventCounter
  metrics: Pick<WebrtcMetrics, 'frameAge'>
  /** Whether this process is CPU-starved. */
  isStarved?: () => boolean
}

/** How each codec is sent on the bus and over RTP. */
const FORMATS = {
  h264: { topic: topics.video, decode: decodeAccessUnit, packetize: packetizeH264 },
  vp8: { topic: topics.videoVp8, decode: decodeIvf, packetize: packetizeVp8 },
} as const

/** Subscribes to one layer of the video and packetizes each frame once for all its viewers. */
export class LayerFeed implements Disposable {
  readonly sinks = new Set<FrameSink>()
  readonly #discarded: EventCounter
  readonly #maxAge: MaxAgeFilter
  readonly #timestamps = new TimestampRebaser()
  readonly #keyframeRequests: KeyframeRequests
  readonly #subscribed: Promise<Disposable>
  readonly #layer: Layer
  readonly #frameAge: WebrtcMetrics['frameAge']
  readonly #packetize: (data: Buffer) => Buffer[]
  #lastFrame: number | undefined
  #recent: PacketizedFrame[] = []
  #keyframeAt = 0
  /** Frames were lost, and no keyframe has arrived since. */
  #interrupted = false
  #closed = false

  constructor({ layer, codec }: { layer: Layer; codec: VideoCodec }, deps: FeedDeps) {
    const { bus, log, discarded, metrics, isStarved } = deps
    this.#maxAge = new MaxAgeFilter({ isStarved })
    const { topic, decode, packetize } = FORMATS[codec]
    this.#layer = layer
    this.#packetize = packetize
    this.#discarded = discarded
    this.#frameAge = metrics.frameAge
    this.#keyframeRequests = new KeyframeRequests(() => {
      bus
        .publish(topics.keyframe, {}, { layer })
        .catch((err: unknown) => log.warn({ err }, 'keyframe request not published'))
    })
    this.#subscribed = bus.subscribe(topic, (bytes) => this.#receive(decode(bytes)), { layer })
    this.#subscribed.catch((err: unknown) => log.error({ err, layer }, 'cannot subscribe to the video'))
  }

  requestKeyframe(): void {
    this.#keyframeRequests.request()
  }

  /** The frames since the last keyframe, if that is younger than the keyframe interval; else none. */
  recent(): readonly PacketizedFrame[] {
    return performance.now() - this.#keyframeAt <= MIN_KEYFRAME_INTERVAL_MS ? this.#recent : []
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#keyframeRequests[Symbol.dispose]()
    this.#subscribed.then(
      (subscription) => subscription[Symbol.dispose](),
      () => undefined, // logged above
    )
  }

  #receive(unit: AccessUnit): void {
    if (this.#closed) return
    const capturedAt = Number(unit.capturedAt) / 1000
    this.#frameAge.passed('bus', Date.now() - capturedAt)
    const gap = this.#lastFrame !== undefined && unit.frame !== (this.#lastFrame + 1) >>> 0
    this.#lastFrame = unit.frame
    if (!this.#maxAge.accepts(capturedAt)) this.#interrupt('too old')
    else if (unit.keyframe) this.#resume()
    else if (gap) this.#interrupt('gap')
    if (this.#interrupted || this.sinks.size === 0) return
    const frame = {
      layer: this.#layer,
      keyframe: unit.keyframe,
      payloads: this.#packetize(unit.data),
      timestamp: this.#timestamps.rebase(unit.rtpTimestamp, capturedAt),
      capturedAt,
    }
    this.#remember(frame)
    for (const sink of this.sinks) sink.frame(frame)
  }

  /** Keeps half a second of frames at most. */
  #remember(frame: PacketizedFrame): void {
    if (frame.keyframe) {
      this.#recent = [frame]
      this.#keyframeAt = performance.now()
    } else this.#recent = this.recent().length > 0 ? [...this.#recent, frame] : []
  }

  #resume(): void {
    this.#interrupted = false
    this.#keyframeRequests.keyframeArrived()
  }

  /** Discards every frame until the next keyframe. */
  #interrupt(cause: string): void {
    this.#discarded.count(cause)
    this.#keyframeRequests.request()
    if (this.#interrupted) return
    this.#interrupted = true
    this.#recent = []
    for (const sink of this.sinks) sink.interrupted(this.#layer)
  }
}

/** At most two keyframes a second: each is many times the size of another frame. */
const MIN_KEYFRAME_INTERVAL_MS = 500

/** Limits the keyframe requests of one layer: an early one is sent when the interval has passed. */
export class KeyframeRequests implements Disposable {
  readonly #publish: () => void
  readonly #minIntervalMs: number
  #last = Number.NEGATIVE_INFINITY
  #pending: NodeJS.Timeout | undefined

  constructor(publish: () => void, minIntervalMs = MIN_KEYFRAME_INTERVAL_MS) {
    this.#publish = publish
    this.#minIntervalMs = minIntervalMs
  }

  request(): void {
    if (this.#pending) return
    const wait = this.#last + this.#minIntervalMs - performance.now()
    if (wait <= 0) this.#send()
    else this.#pending = setTimeout(() => this.#send(), wait)
  }

  /** Answers a pending request. */
  keyframeArrived(): void {
    clearTimeout(this.#pending)
    this.#pending = undefined
  }

  [Symbol.dispose](): void {
    this.keyframeArrived()
  }

  #send(): void {
    this.#pending = undefined
    this.#last = performance.now()
    this.#publish()
  }
}
