import type { Bus } from '#bus/bus.ts'
import { type Demand, LAYERS, type Layer, type VideoCodec } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'

/** Longest time ahead of `until`: a forgotten demand must not keep an encoder running. */
const MAX_AHEAD_MS = 10 * 60_000

/** bit/s of each layer in demand, by codec. */
export type Wanted = Record<VideoCodec, Partial<Record<Layer, number>>>

/** Follows `video/demand/<who>` and calls `onWanted` when the demand may have changed. */
export async function subscribeDemand(bus: Bus, onWanted: (wanted: Wanted) => unknown): Promise<Disposable> {
  using stack = new DisposableStack()
  const table = new DemandTable()
  let timer: NodeJS.Timeout | undefined
  const update = () => {
    clearTimeout(timer)
    const now = Date.now()
    onWanted(table.wanted(now))
    const end = table.nextEnd(now)
    if (end !== undefined) timer = setTimeout(update, end - now + 1)
  }
  stack.defer(() => clearTimeout(timer))
  const subscribing = [
    bus.subscribe(topics.demand, (demand, { params }) => {
      table.set(params.who, demand)
      update()
    }),
    bus.subscribe(topics.serviceState, ({ state }, { params }) => {
      table.setOnline(params.service, state === 'online')
      update()
    }),
  ]
  for (const subscription of await Promise.all(subscribing)) stack.use(subscription)
  return stack.move()
}

/** Demands by client. A demand counts until its `until` or, without one, while the service of that name is online. */
export class DemandTable {
  readonly #demands = new Map<string, NonNullable<Demand>>()
  readonly #online = new Set<string>()

  /** Replaces the demand of a client; null withdraws it. */
  set(who: string, demand: Demand): void {
    if (demand) this.#demands.set(who, demand)
    else this.#demands.delete(who)
  }

  setOnline(service: string, online: boolean): void {
    if (online) this.#online.add(service)
    else this.#online.delete(service)
  }

  /** The highest bitrate in demand by layer at this time (ms since the epoch). */
  wanted(now: number): Wanted {
    const wanted: Wanted = { h264: {}, vp8: {} }
    for (const { codec, layers } of this.#valid(now).flatMap(byCodec)) {
      for (const layer of LAYERS) {
        const bitrate = layers[layer]?.bitrate
        if (bitrate) wanted[codec][layer] = Math.max(wanted[codec][layer] ?? 0, bitrate)
      }
    }
    return wanted
  }

  /** When the next demand expires, ms since the epoch. */
  nextEnd(now: number): number | undefined {
    const ends = this.#valid(now).flatMap(({ until }) => until ?? [])
    return ends.length > 0 ? Math.min(...ends) : undefined
  }

  #valid(now: number): NonNullable<Demand>[] {
    const valid = []
    for (const [who, demand] of this.#demands) {
      const { until } = demand
      const isValid = until === undefined ? this.#online.has(who) : until > now && until <= now + MAX_AHEAD_MS
      if (isValid) valid.push(demand)
    }
    return valid
  }
}

/** A demand may be for both codecs. */
function byCodec({ codec, layers, also }: NonNullable<Demand>) {
  return [{ codec, layers }, ...(also ? [also] : [])]
}
