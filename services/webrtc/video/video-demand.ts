import type { Bus } from '#bus/bus.ts'
import { type Demand, type Layer, VIDEO_CODECS, type VideoCodec } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { FrameSink } from './layer-feed.ts'

/** A layer that one viewer needs; `bitrate` in bit/s. */
export interface LayerRequest {
  layer: Layer
  codec: VideoCodec
  bitrate: number
  sink: FrameSink
}

/** bit/s by layer. */
export type Bitrates = Partial<Record<Layer, number>>

/** Publishes what all viewers need as `video/demand/webrtc`. */
export class VideoDemand {
  readonly #bus: Bus
  readonly #log: Logger
  readonly #requests = new Set<LayerRequest>()
  #lastPublished = ''

  constructor(bus: Bus, log: Logger) {
    this.#bus = bus
    this.#log = log
  }

  add(request: LayerRequest): void {
    this.#requests.add(request)
    this.changed()
  }

  /** False when it was not there. */
  delete(request: LayerRequest): boolean {
    const deleted = this.#requests.delete(request)
    this.changed()
    return deleted
  }

  clear(): void {
    this.#requests.clear()
  }

  /** The largest bitrates that other viewers request in the codec of this one. */
  others({ sink, codec }: LayerRequest): Bitrates {
    return largestBitrates(this.#requests, (one) => one.sink !== sink && one.codec === codec)
  }

  /** Publishes after a change of a request. */
  changed(): void {
    this.publish().catch((err: unknown) => this.#log.error({ err }, 'video demand not published'))
  }

  async publish(): Promise<void> {
    const demand = toDemand(this.#requests)
    const text = JSON.stringify(demand)
    if (this.#lastPublished === text) return
    this.#lastPublished = text
    await this.#bus.publish(topics.demand, demand, { who: 'webrtc' })
  }
}

function largestBitrates(
  requests: Iterable<LayerRequest>,
  counts: (request: LayerRequest) => boolean,
): Bitrates {
  const bitrates: Bitrates = {}
  for (const request of requests) {
    if (counts(request)) bitrates[request.layer] = Math.max(bitrates[request.layer] ?? 0, request.bitrate)
  }
  return bitrates
}

function toDemand(requests: ReadonlySet<LayerRequest>): NonNullable<Demand> {
  const parts = VIDEO_CODECS.map((codec) => {
    const bitrates = Object.entries(largestBitrates(requests, (one) => one.codec === codec))
    return { codec, layers: Object.fromEntries(bitrates.map(([layer, bitrate]) => [layer, { bitrate }])) }
  })
  const [first, also] = parts.filter(({ layers }) => Object.keys(layers).length > 0)
  return { ...(first ?? { codec: 'h264', layers: {} }), ...(also ? { also } : {}) }
}
