import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { Session } from './session.ts'

/** Publishes who is watching: at every change, and now and then while somebody is. */
export interface Report extends Disposable {
  changed(): void
}

/** `sessions` is asked anew each time. `interval` in milliseconds. */
export function createReport(bus: Bus, log: Logger, sessions: () => Session[], interval: number): Report {
  let timer: NodeJS.Timeout | undefined
  let due: NodeJS.Immediate | undefined
  const publish = () => {
    due = undefined
    clearTimeout(timer)
    const list = sessions().map((session) => session.summary())
    bus.publish(topics.sessions, list).catch((err: unknown) => log.warn({ err }, 'sessions not published'))
    bus.setState({ viewers: list.filter(({ state }) => state === 'connected').length, sessions: list.length })
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
