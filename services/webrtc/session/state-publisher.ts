import type { Bus } from '#bus/bus.ts'
import type { SessionSummary } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { WebrtcMetrics } from '../metrics.ts'

/** Publishes who is watching: at every change, and now and then while somebody is. */
export interface Report extends Disposable {
  changed(): void
}

interface ReportDeps {
  bus: Bus
  log: Logger
  metrics: Pick<WebrtcMetrics, 'stages'>
  /** Asked anew each time. */
  sessions(): SessionSummary[]
  /** Milliseconds. */
  interval: number
}

export function createReport({ bus, log, metrics, sessions, interval }: ReportDeps): Report {
  let timer: NodeJS.Timeout | undefined
  let due: NodeJS.Immediate | undefined
  const publish = () => {
    due = undefined
    clearTimeout(timer)
    const list = sessions()
    bus.publish(topics.sessions, list).catch((err: unknown) => log.warn({ err }, 'sessions not published'))
    bus.setState({
      viewers: list.filter(({ state }) => state === 'connected').length,
      sessions: list.length,
      latency_ms: metrics.stages.summary,
    })
    timer = list.length > 0 ? setTimeout(publish, interval) : undefined
  }
  return {
    /** Changes of one moment make one message. */
    changed() {
      due ??= setImmediate(publish)
    },
    [Symbol.dispose]() {
      clearImmediate(due)
      publish()
      clearTimeout(timer)
    },
  }
}
