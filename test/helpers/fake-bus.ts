import type { Bus } from '#bus/bus.ts'
import type { Topic } from '#bus/topic.ts'

/** A message that was published on a {@link FakeBus}. */
export interface Published {
  topic: string
  payload: unknown
}

/** A bus without a broker, for tests in fake time: every message is delivered at once, to all subscribers. */
export interface FakeBus extends Bus {
  connected: boolean
  /** What `publish` rejects with. */
  failure: Error | undefined
  readonly published: Published[]
  /** Payloads published on this topic, oldest first. */
  on<T, P extends string>(topic: Topic<T, P>): T[]
  /** Delivers a message of another client. */
  deliver<T, P extends string>(topic: Topic<T, P>, payload: T, params?: Record<P, string>): void
  /** Calls the listeners of `onConnect`. */
  reconnect(): void
  /** Number of subscriptions and listeners. */
  readonly listeners: number
}

interface Subscription {
  topic: Topic<unknown, string>
  params: Record<string, string | undefined>
  handler(payload: unknown, meta: object): void
}

export function fakeBus(): FakeBus {
  const subscriptions = new Set<Subscription>()
  const reconnected = new Set<() => void>()
  const published: Published[] = []
  const dispatch = (name: string, payload: unknown) => {
    for (const { topic, params, handler } of subscriptions) {
      const found = topic.match(name)
      if (
        found &&
        Object.entries(params).every(([key, value]) => value === undefined || found[key] === value)
      )
        handler(payload, { params: found, retained: false, topic: name })
    }
  }
  const added = <T>(set: Set<T>, one: T): Disposable => {
    set.add(one)
    return { [Symbol.dispose]: () => void set.delete(one) }
  }
  const bus: Partial<FakeBus> & { connected: boolean } = {
    connected: true,
    failure: undefined,
    published,
    on: (topic) => published.filter((one) => topic.match(one.topic)).map(({ payload }) => payload) as never[],
    deliver: (topic, payload, params) => dispatch((topic.name as (one?: object) => string)(params), payload),
    publish(topic, payload, ...params) {
      const name = topic.name(...params)
      published.push({ topic: name, payload })
      if (bus.connected) dispatch(name, payload)
      return bus.failure ? Promise.reject(bus.failure) : Promise.resolve()
    },
    async subscribe(topic, handler, params = {}) {
      await new Promise((resolve) => setImmediate(resolve)) // as a SUBACK
      return added(subscriptions, { topic, params, handler } as unknown as Subscription)
    },
    onConnect: (listener) => added(reconnected, listener),
    reconnect() {
      bus.connected = true
      for (const listener of reconnected) listener()
    },
    async [Symbol.asyncDispose]() {},
  }
  Object.defineProperty(bus, 'listeners', { get: () => subscriptions.size + reconnected.size })
  return bus as FakeBus
}
