import type { Bus } from '#bus/bus.ts'
import type { Demand, Layer } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { Tally } from '#lib/tally.ts'
import { LayerFeed, type Picture, type PictureSink } from './video-feed.ts'

/** What one viewer watches. */
export interface Watching extends Disposable {
  readonly layer: Layer
  requestKeyframe(): void
  /** See {@link LayerFeed.recent}. */
  recent(): readonly Picture[]
}

/** The layers that are watched, and the demand for them. */
export interface VideoLayers extends AsyncDisposable {
  /** From now on `sink` gets the pictures of this layer. `bitrate` in bit/s; the largest asked for counts. */
  watch(layer: Layer, bitrate: number, sink: PictureSink): Watching
}

const WHO = 'webrtc'
/** A layer stays subscribed for so long after its last viewer: the next one often comes at once, as a restart. */
const LINGER = 10_000

interface LayersDeps {
  bus: Bus
  log: Logger
  tally: Tally
}

/** Resolves when the demand of an earlier life has been taken back. */
export async function openVideoLayers({ bus, log, tally }: LayersDeps): Promise<VideoLayers> {
  const feeds = new Map<Layer, LayerFeed>()
  const wanted = new Map<PictureSink, { layer: Layer; bitrate: number }>()
  const leaving = new Map<Layer, NodeJS.Timeout>()
  let said = ''

  const say = async () => {
    const layers: NonNullable<Demand>['layers'] = {}
    for (const { layer, bitrate } of wanted.values()) {
      layers[layer] = { bitrate: Math.max(bitrate, layers[layer]?.bitrate ?? 0) }
    }
    const demand: Demand = { codec: 'h264', layers }
    if (said === JSON.stringify(demand)) return
    said = JSON.stringify(demand)
    await bus.publish(topics.demand, demand, { who: WHO })
  }
  const sayQuietly = () => {
    say().catch((err: unknown) => log.error({ err }, 'video demand not published'))
  }

  const leave = (layer: Layer, feed: LayerFeed) => {
    if (feed.sinks.size > 0) return
    feed[Symbol.dispose]()
    feeds.delete(layer)
  }

  await say()
  return {
    watch(layer, bitrate, sink) {
      const feed = feeds.get(layer) ?? new LayerFeed(layer, { bus, log, tally })
      feeds.set(layer, feed)
      feed.sinks.add(sink)
      wanted.set(sink, { layer, bitrate })
      sayQuietly()
      return {
        layer,
        requestKeyframe: () => feed.requestKeyframe(),
        recent: () => feed.recent(),
        [Symbol.dispose]() {
          if (!feed.sinks.delete(sink)) return
          wanted.delete(sink)
          sayQuietly()
          clearTimeout(leaving.get(layer))
          leaving.set(layer, setTimeout(leave, LINGER, layer, feed))
        },
      }
    },
    async [Symbol.asyncDispose]() {
      for (const timer of leaving.values()) clearTimeout(timer)
      for (const feed of feeds.values()) feed[Symbol.dispose]()
      wanted.clear()
      await say()
    },
  }
}
