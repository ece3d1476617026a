import type { Bus } from '#bus/bus.ts'
import type { SessionSummary } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { WebrtcMetrics } from '../metrics.ts'

/** Publishes `webrtc/sessions` and `webrtc/state`: at every change, and at an interval while there are sessions. */
export interface StatePublisher extends Disposable {
  /** Both are called for each publish. */
  start(sessions: () => SessionSummary[], refusedServers: () => readonly string[]): void
  /** Publishes once for all changes of the current event loop turn. */
  changed(): void
}

interface StatePublisherDeps {
  bus: Bus
  log: Logger
  metrics: Pick<WebrtcMetrics, 'frameAge'>
  quality: { readonly mode: string }
  intervalMs: number
}

export function createStatePublisher(deps: StatePublisherDeps): StatePublisher {
  const { bus, log, metrics, quality, intervalMs } = deps
  let timer: NodeJS.Timeout | undefined
  let due: NodeJS.Immediate | undefined
  let sessions: () => SessionSummary[] = () => []
  let refusedServers: () => readonly string[] = () => []
  const publish = () => {
    due = undefined
    clearTimeout(timer)
    const list = sessions()
    bus.publish(topics.sessions, list).catch((err: unknown) => log.warn({ err }, 'sessions not published'))
    bus.setState({
      viewers: list.filter(({ state }) => state === 'connected').length,
      sessions: list.length,
      quality: quality.mode,
      refused_servers: refusedServers(),
      latency_ms: metrics.frameAge.summary,
    })
    timer = list.length > 0 ? setTimeout(publish, intervalMs) : undefined
  }
  const changed = () => {
    due ??= setImmediate(publish)
  }
  return {
    start(list, refused) {
      sessions = list
      refusedServers = refused
      changed()
    },
    changed,
    [Symbol.dispose]() {
      clearImmediate(due)
      publish()
      clearTimeout(timer)
    },
  }
}
