import type { Layer } from '#bus/messages.ts'
import { type FeedDeps, LayerFeed, type PacketizedFrame } from './layer-feed.ts'
import { isWorthDemanding } from './rate-control.ts'
import { type Bitrates, type LayerRequest, VideoDemand } from './video-demand.ts'

/** One viewer's subscription to one layer. */
export interface LayerSubscription extends Disposable {
  readonly layer: Layer
  /** The first subscription of this layer: the encoder starts for it, with a keyframe. */
  readonly first: boolean
  /** bit/s that other viewers request of each layer in this codec. */
  readonly others: Bitrates
  readonly bitrate: number
  /** Requests another bitrate (bit/s); the largest of all requests counts. */
  setBitrate(bitrate: number): void
  requestKeyframe(): void
  /** See {@link LayerFeed.recent}. */
  recent(): readonly PacketizedFrame[]
}

/** The subscriptions of all viewers, and the demand that follows from them. */
export interface VideoLayers extends AsyncDisposable {
  /** From now on `sink` receives the frames of that layer. */
  subscribe(request: LayerRequest): LayerSubscription
}

/** A layer stays subscribed this long after its last viewer: the next viewer often follows at once, as a restart. */
const LINGER_MS = 10_000

/** Resolves when a demand that an earlier run has left is cleared. */
export async function openVideoLayers(deps: FeedDeps): Promise<VideoLayers> {
  const demand = new VideoDemand(deps.bus, deps.log)
  const feeds = new Feeds(deps)
  const following = await demand.follow().catch((err: unknown) => {
    deps.log.warn({ err }, 'demand of the recorder unknown: copy the user webrtc from configs/broker.yaml')
  })
  await demand.publish()
  return {
    subscribe(given) {
      const request = { ...given }
      const feed = feeds.get(request)
      const first = feed.sinks.size === 0
      let raisedAt = performance.now()
      feed.sinks.add(request.sink)
      demand.add(request)
      return {
        layer: request.layer,
        first,
        get bitrate() {
          return request.bitrate
        },
        get others() {
          return demand.others(request)
        },
        setBitrate(bitrate) {
          if (!isWorthDemanding(request.bitrate, bitrate, performance.now() - raisedAt)) return
          if (bitrate > request.bitrate) raisedAt = performance.now()
          request.bitrate = bitrate
          demand.changed()
        },
        requestKeyframe: () => feed.requestKeyframe(),
        recent: () => feed.recent(),
        [Symbol.dispose]() {
          if (!demand.delete(request)) return
          feed.sinks.delete(request.sink)
          feeds.release(feed)
        },
      }
    },
    async [Symbol.asyncDispose]() {
      feeds[Symbol.dispose]()
      following?.[Symbol.dispose]()
      demand.clear()
      await demand.publish()
    },
  }
}

/** One feed for each layer and codec that has viewers, or had some a moment ago. */
class Feeds implements Disposable {
  readonly #deps: FeedDeps
  readonly #feeds = new Map<string, LayerFeed>()
  readonly #lingering = new Map<LayerFeed, NodeJS.Timeout>()

  constructor(deps: FeedDeps) {
    this.#deps = deps
  }

  get({ layer, codec }: Pick<LayerRequest, 'layer' | 'codec'>): LayerFeed {
    const key = `${codec} ${layer}`
    const feed = this.#feeds.get(key) ?? new LayerFeed({ layer, codec }, this.#deps)
    this.#feeds.set(key, feed)
    this.#keep(feed)
    return feed
  }

  release(feed: LayerFeed): void {
    this.#keep(feed)
    if (feed.sinks.size > 0) return
    this.#lingering.set(
      feed,
      setTimeout(() => this.#close(feed), LINGER_MS),
    )
  }

  [Symbol.dispose](): void {
    for (const feed of this.#feeds.values()) this.#close(feed)
  }

  #keep(feed: LayerFeed): void {
    clearTimeout(this.#lingering.get(feed))
    this.#lingering.delete(feed)
  }

  #close(feed: LayerFeed): void {
    this.#keep(feed)
    feed[Symbol.dispose]()
    for (const [key, one] of this.#feeds) if (one === feed) this.#feeds.delete(key)
  }
}
