import type { Bus } from '#bus/bus.ts'
import type { Logger } from '#lib/logger.ts'
import { reachableTopic } from './checks.ts'

/** A bridge connects within its restart timeout; Mosquitto's longest default is a minute. */
const TIMEOUT_MS = 120_000

/**
 * Warns once if nothing publishes `homeassistant.reachable_topic`: every entity would stay unavailable. A bridge publishes it
 * at both ends (`notifications_local_only false`).
 */
export function watchReachable(bus: Bus, name: string, log: Logger, timeoutMs = TIMEOUT_MS): Disposable {
  const stack = new DisposableStack()
  const report = (reason: string) =>
    log.warn({ topic: name, reason }, 'homeassistant.reachable_topic: entities may stay unavailable')
  const timer = setTimeout(() => report('no bridge has published it'), timeoutMs)
  stack.defer(() => clearTimeout(timer))
  bus
    .subscribe(reachableTopic(name), () => clearTimeout(timer))
    .then(
      (subscription) => (stack.disposed ? subscription[Symbol.dispose]() : stack.use(subscription)),
      (err: Error) => {
        clearTimeout(timer)
        if (!stack.disposed) report(err.message)
      },
    )
  return stack
}
