import type { Bus } from '#bus/bus.ts'
import type { Layer } from '#bus/messages.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { WebrtcMetrics } from '../metrics.ts'
import { type Bitrates, VideoDemand, type Wish } from './video-demand.ts'
import { LayerFeed, type Picture } from './video-feed.ts'

/** What one viewer watches. */
export interface Watching extends Disposable {
  readonly layer: Layer
  /** Nobody else watched when it began, so that it begins with a keyframe. */
  readonly fresh: boolean
  /** bit/s at which others have the layers of this codec made. */
  readonly others: Bitrates
  readonly bitrate: number
  /** bit/s that this viewer wants; of all that are asked for, the largest counts. */
  want(bitrate: number): void
  requestKeyframe(): void
  /** See {@link LayerFeed.recent}. */
  recent(): readonly Picture[]
}

/** The layers that are watched, and the demand for them. */
export interface VideoLayers extends AsyncDisposable {
  /** From now on the wish's `sink` gets the pictures of that layer. */
  watch(wish: Wish): Watching
}

/** A layer stays subscribed for so long after its last viewer: the next one often comes at once, as a restart. */
const LINGER = 10_000
/** A bitrate that grows is worth a message so often, in milliseconds; one that falls, or jumps, always. */
const RAISE_EVERY = 500

interface LayersDeps {
  bus: Bus
  log: Logger
  tally: EventCounter
  metrics: Pick<WebrtcMetrics, 'stages'>
}

/** Resolves when the demand of an earlier life has been taken back. */
export async function openVideoLayers(deps: LayersDeps): Promise<VideoLayers> {
  const demand = new VideoDemand(deps.bus, deps.log)
  const feeds = new Feeds(deps)
  await demand.say()
  return {
    watch(given) {
      const wish = { ...given }
      const feed = feeds.of(wish)
      const fresh = feed.sinks.size === 0
      let raisedAt = performance.now()
      feed.sinks.add(wish.sink)
      demand.add(wish)
      return {
        layer: wish.layer,
        fresh,
        get bitrate() {
          return wish.bitrate
        },
        get others() {
          return demand.others(wish)
        },
        want(bitrate) {
          if (!isWorthSaying(wish.bitrate, bitrate, performance.now() - raisedAt)) return
          if (bitrate > wish.bitrate) raisedAt = performance.now()
          wish.bitrate = bitrate
          demand.changed()
        },
        requestKeyframe: () => feed.requestKeyframe(),
        recent: () => feed.recent(),
        [Symbol.dispose]() {
          if (!demand.delete(wish)) return
          feed.sinks.delete(wish.sink)
          feeds.leave(feed)
        },
      }
    },
    async [Symbol.asyncDispose]() {
      feeds[Symbol.dispose]()
      demand.clear()
      await demand.say()
    },
  }
}

/** `since` the last time that it was raised, in ms. */
function isWorthSaying(from: number, to: number, since: number): boolean {
  return to > from * 1.1 || to < from * 0.95 || (to > from * 1.01 && since > RAISE_EVERY)
}

/** One feed for each layer and codec that somebody watches, or watched a moment ago. */
class Feeds implements Disposable {
  readonly #deps: LayersDeps
  readonly #feeds = new Map<string, LayerFeed>()
  readonly #leaving = new Map<LayerFeed, NodeJS.Timeout>()

  constructor(deps: LayersDeps) {
    this.#deps = deps
  }

  of({ layer, codec }: Pick<Wish, 'layer' | 'codec'>): LayerFeed {
    const key = `${codec} ${layer}`
    const feed = this.#feeds.get(key) ?? new LayerFeed({ layer, codec }, this.#deps)
    this.#feeds.set(key, feed)
    this.#stay(feed)
    return feed
  }

  leave(feed: LayerFeed): void {
    this.#stay(feed)
    if (feed.sinks.size === 0)
      this.#leaving.set(
        feed,
        setTimeout(() => this.#close(feed), LINGER),
      )
  }

  [Symbol.dispose](): void {
    for (const feed of this.#feeds.values()) this.#close(feed)
  }

  #stay(feed: LayerFeed): void {
    clearTimeout(this.#leaving.get(feed))
    this.#leaving.delete(feed)
  }

  #close(feed: LayerFeed): void {
    this.#stay(feed)
    feed[Symbol.dispose]()
    for (const [key, one] of this.#feeds) if (one === feed) this.#feeds.delete(key)
  }
}
