import type { Bus } from '#bus/bus.ts'
import { type Demand, type Layer, VIDEO_CODECS, type VideoCodec } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { PictureSink } from './video-feed.ts'

/** What one viewer wants to watch; `bitrate` in bit/s. */
export interface Wish {
  layer: Layer
  codec: VideoCodec
  bitrate: number
  sink: PictureSink
}

/** bit/s by layer. */
export type Bitrates = Partial<Record<Layer, number>>

const WHO = 'webrtc'

/** Keeps `video/demand/webrtc` to what viewers wish for, and to nothing else. */
export class VideoDemand {
  readonly #bus: Bus
  readonly #log: Logger
  readonly #wishes = new Set<Wish>()
  #said = ''

  constructor(bus: Bus, log: Logger) {
    this.#bus = bus
    this.#log = log
  }

  add(wish: Wish): void {
    this.#wishes.add(wish)
    this.changed()
  }

  /** False when it was not there. */
  delete(wish: Wish): boolean {
    const deleted = this.#wishes.delete(wish)
    this.changed()
    return deleted
  }

  clear(): void {
    this.#wishes.clear()
  }

  /** The largest bitrates that others than this viewer wish for in its codec. */
  others({ sink, codec }: Wish): Bitrates {
    return bitratesOf([...this.#wishes].filter((wish) => wish.sink !== sink && wish.codec === codec))
  }

  /** A wish is another now. */
  changed(): void {
    this.say().catch((err: unknown) => this.#log.error({ err }, 'video demand not published'))
  }

  async say(): Promise<void> {
    const demand = demandOf([...this.#wishes])
    const text = JSON.stringify(demand)
    if (this.#said === text) return
    this.#said = text
    await this.#bus.publish(topics.demand, demand, { who: WHO })
  }
}

function bitratesOf(wishes: readonly Wish[]): Bitrates {
  const bitrates: Bitrates = {}
  for (const { layer, bitrate } of wishes) bitrates[layer] = Math.max(bitrates[layer] ?? 0, bitrate)
  return bitrates
}

function demandOf(wishes: readonly Wish[]): NonNullable<Demand> {
  const parts = VIDEO_CODECS.map((codec) => {
    const bitrates = Object.entries(bitratesOf(wishes.filter((wish) => wish.codec === codec)))
    return { codec, layers: Object.fromEntries(bitrates.map(([layer, bitrate]) => [layer, { bitrate }])) }
  })
  const [first, also] = parts.filter(({ layers }) => Object.keys(layers).length > 0)
  return { ...(first ?? { codec: 'h264', layers: {} }), ...(also ? { also } : {}) }
}
