import { type Demand, LAYERS, type Layer } from '#bus/messages.ts'

/** A demand with an end may reach so far ahead, in milliseconds: a forgotten one must not encode for ever. */
const LONGEST = 10 * 60_000

/** bit/s of each layer that somebody wants. */
export type Wanted = Partial<Record<Layer, number>>

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

  /** The largest bitrate asked for, by layer, at this time (ms since the epoch). Only H.264 is encoded. */
  wanted(now: number): Wanted {
    const wanted: Wanted = {}
    for (const demand of this.#counting(now)) {
      for (const layer of LAYERS) {
        const bitrate = demand.layers[layer]?.bitrate
        if (bitrate) wanted[layer] = Math.max(wanted[layer] ?? 0, bitrate)
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
      const { until, codec } = demand
      const counts = until === undefined ? this.#online.has(who) : until > now && until <= now + LONGEST
      if (counts && codec === 'h264') counting.push(demand)
    }
    return counting
  }
}
