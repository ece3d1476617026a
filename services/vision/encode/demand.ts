import type { Bus } from '#bus/bus.ts'
import { type Demand, LAYERS, type Layer, type VideoCodec } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { Demands, followDemands } from '#lib/media/demands.ts'

/** bit/s of each layer in demand, by codec. */
export type Wanted = Record<VideoCodec, Partial<Record<Layer, number>>>

/** Follows `video/demand/<who>` and calls `onWanted` when the demand may have changed. */
export async function subscribeDemand(bus: Bus, onWanted: (wanted: Wanted) => unknown): Promise<Disposable> {
  const table = new DemandTable()
  return await followDemands(bus, topics.demand, table, (now) => onWanted(table.wanted(now)))
}

/** Demands for video by client. */
export class DemandTable extends Demands<NonNullable<Demand>> {
  /** The highest bitrate in demand by layer at this time (ms since the epoch). */
  wanted(now: number): Wanted {
    const wanted: Wanted = { h264: {}, vp8: {} }
    for (const { codec, layers } of [...this.valid(now).values()].flatMap(byCodec)) {
      for (const layer of LAYERS) {
        const bitrate = layers[layer]?.bitrate
        if (bitrate) wanted[codec][layer] = Math.max(wanted[codec][layer] ?? 0, bitrate)
      }
    }
    return wanted
  }
}

/** A demand may be for both codecs. */
function byCodec({ codec, layers, also }: NonNullable<Demand>) {
  return [{ codec, layers }, ...(also ? [also] : [])]
}
