import type { Bus } from '#bus/bus.ts'
import type { Topic } from '#bus/topic.ts'
import { wake } from './until.ts'

interface Collected<T, P extends string> {
  payload: T
  params: Record<P, string>
  retained: boolean
}

export interface Collector<T, P extends string> {
  /** Everything that came, oldest first. */
  readonly all: Collected<T, P>[]
  /** The next one that was not returned yet and that satisfies `where`; rejects after `within` milliseconds. */
  next(options?: {
    within?: number
    where?: (payload: T, params: Record<P, string>) => boolean
  }): Promise<Collected<T, P>>
}

/** Subscribes and keeps what comes: subscribe first, then act, then await. */
export async function collect<T, P extends string>(
  bus: Bus,
  topic: Topic<T, P>,
  params?: Partial<Record<P, string>>,
): Promise<Collector<T, P>> {
  const all: Collected<T, P>[] = []
  let waiting: Collected<T, P>[] = []
  const waiters = new Set<() => void>()
  await bus.subscribe(
    topic,
    (payload, meta) => {
      const one = { payload, params: meta.params, retained: meta.retained }
      all.push(one)
      waiting.push(one)
      for (const wakeUp of waiters) wakeUp()
    },
    params,
  )
  return {
    all,
    async next({ within = 10_000, where = () => true } = {}) {
      const until = performance.now() + within
      for (;;) {
        const found = waiting.find((one) => where(one.payload, one.params))
        if (found) {
          waiting = waiting.slice(waiting.indexOf(found) + 1)
          return found
        }
        const left = until - performance.now()
        if (left <= 0)
          throw new Error(`nothing on ${topic.pattern} within ${within} ms (of ${all.length} seen)`)
        await wake(waiters, left)
      }
    },
  }
}
