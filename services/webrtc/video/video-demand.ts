import type { Bus } from '#bus/bus.ts'
import { type Demand, LAYERS, type Layer, VIDEO_CODECS, type VideoCodec } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { Demands } from '#lib/media/demands.ts'
import type { FrameSink } from './layer-feed.ts'

/** A layer that one viewer needs; `bitrate` in bit/s. */
export interface LayerRequest {
  layer: Layer
  codec: VideoCodec
  bitrate: number
  sink: FrameSink
}

const RECORDER = 'recorder'

/** bit/s by layer. */
export type Bitrates = Partial<Record<Layer, number>>

/** Publishes what all viewers need as `video/demand/webrtc`. */
export class VideoDemand {
  readonly #bus: Bus
  readonly #log: Logger
  readonly #requests = new Set<LayerRequest>()
  /** Of the recorder, which encodes a layer at no less, whatever a viewer can receive. */
  readonly #recorder = new Demands<NonNullable<Demand>>()
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

  /** Follows the demand of the recorder. */
  async follow(): Promise<Disposable> {
    using stack = new DisposableStack()
    const bus = this.#bus
    stack.use(
      await bus.subscribe(topics.demand, (demand) => this.#recorder.set(RECORDER, demand), { who: RECORDER }),
    )
    const onState = ({ state }: { state: string }) => this.#recorder.setOnline(RECORDER, state === 'online')
    stack.use(await bus.subscribe(topics.serviceState, (state) => void onState(state), { service: RECORDER }))
    return stack.move()
  }

  /** The largest bitrates that others request in the codec of this one. */
  others({ sink, codec }: LayerRequest): Bitrates {
    const bitrates = largestBitrates(this.#requests, (one) => one.sink !== sink && one.codec === codec)
    for (const demand of this.#recorder.valid(Date.now()).values()) {
      if (demand.codec !== codec) continue
      for (const layer of LAYERS) {
        const { bitrate } = demand.layers[layer] ?? {}
        if (bitrate !== undefined) bitrates[layer] = Math.max(bitrates[layer] ?? 0, bitrate)
      }
    }
    return bitrates
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
