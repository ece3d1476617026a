import { type Demand, LAYERS, type Layer, type VideoCodec } from '#bus/messages.ts'

/** A demand with an end may reach so far ahead, in milliseconds: a forgotten one must not encode for ever. */
const LONGEST = 10 * 60_000

/** bit/s of each layer that somebody wants, by codec. */
export type Wanted = Record<VideoCodec, Partial<Record<Layer, number>>>

/**
 * Who wants which layers. A demand counts until its `until` or, without one, while the service of that name is online
 * (DESIGN §4, `video/demand/<who>`).
 */
export class DemandTable {
  readonly #demands = new Map<string, NonNullable<Demand>>()
  readonly #online = new Set<string>()

  /** What `who` wants from now on; null takes it back. */
  set(who: string, demand: Demand): void {
    if (demand) this.#demands.set(who, demand)
    else this.#demands.delete(who)
  }

  setOnline(service: string, online: boolean): void {
    if (online) this.#online.add(service)
    else this.#online.delete(service)
  }

  /** The largest bitrate asked for, by layer, at this time (ms since the epoch). */
  wanted(now: number): Wanted {
    const wanted: Wanted = { h264: {}, vp8: {} }
    for (const { codec, layers } of this.#counting(now).flatMap(partsOf)) {
      for (const layer of LAYERS) {
        const bitrate = layers[layer]?.bitrate
        if (bitrate) wanted[codec][layer] = Math.max(wanted[codec][layer] ?? 0, bitrate)
      }
    }
    return wanted
  }

  /** When the next demand runs out by itself, ms since the epoch. */
  nextEnd(now: number): number | undefined {
    const ends = this.#counting(now).flatMap(({ until }) => until ?? [])
    return ends.length > 0 ? Math.min(...ends) : undefined
  }

  #counting(now: number): NonNullable<Demand>[] {
    const counting = []
    for (const [who, demand] of this.#demands) {
      const { until } = demand
      const counts = until === undefined ? this.#online.has(who) : until > now && until <= now + LONGEST
      if (counts) counting.push(demand)
    }
    return counting
  }
}

/** A demand may be for both codecs. */
function partsOf({ codec, layers, also }: NonNullable<Demand>) {
  return [{ codec, layers }, ...(also ? [also] : [])]
}
