import type { Bus } from '#bus/bus.ts'
import type { Topic } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'

/** Longest time ahead of `until`: a forgotten demand must not keep a device or an encoder running. */
const MAX_AHEAD_MS = 10 * 60_000

/** A demand counts until its `until` (ms since the epoch) or, without one, while the service of that name is online. */
export class Demands<D extends { until?: number | undefined }> {
  readonly #demands = new Map<string, D>()
  readonly #online = new Set<string>()

  /** Replaces the demand of a client; null withdraws it. */
  set(who: string, demand: D | null): void {
    if (demand) this.#demands.set(who, demand)
    else this.#demands.delete(who)
  }

  /** Returns whether that is new. */
  setOnline(service: string, online: boolean): boolean {
    if (online === this.#online.has(service)) return false
    if (online) this.#online.add(service)
    else this.#online.delete(service)
    return true
  }

  /** The demands that count at this time (ms since the epoch), by client. */
  valid(now: number): Map<string, D> {
    const isValid = (who: string, { until }: D) =>
      until === undefined ? this.#online.has(who) : until > now && until <= now + MAX_AHEAD_MS
    return new Map([...this.#demands].filter(([who, demand]) => isValid(who, demand)))
  }

  /** When the next demand expires, ms since the epoch. */
  nextEnd(now: number): number | undefined {
    const ends = [...this.valid(now).values()].flatMap(({ until }) => until ?? [])
    return ends.length > 0 ? Math.min(...ends) : undefined
  }
}

/** Follows the demands of one topic and the states of services; calls `onChanged` when {@link Demands.valid} may have changed. */
export async function followDemands<D extends { until?: number | undefined }>(
  bus: Bus,
  topic: Topic<D | null, 'who'>,
  demands: Demands<D>,
  onChanged: (now: number) => unknown,
): Promise<Disposable> {
  using stack = new DisposableStack()
  let timer: NodeJS.Timeout | undefined
  const update = () => {
    clearTimeout(timer)
    const now = Date.now()
    onChanged(now)
    const end = demands.nextEnd(now)
    if (end !== undefined) timer = setTimeout(update, end - now + 1)
  }
  stack.defer(() => clearTimeout(timer))
  const subscribing = [
    bus.subscribe(topic, (demand, { params }) => {
      demands.set(params.who, demand)
      update()
    }),
    bus.subscribe(topics.serviceState, ({ state }, { params }) => {
      // a service that publishes its own state on a change would answer itself for ever
      if (demands.setOnline(params.service, state === 'online')) update()
    }),
  ]
  for (const subscription of await Promise.all(subscribing)) stack.use(subscription)
  return stack.move()
}
