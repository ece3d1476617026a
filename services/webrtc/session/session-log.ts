import type { Logger } from '#lib/logger.ts'
import type { Path } from '../ice/selected-pair.ts'
import type { WebrtcMetrics } from '../metrics.ts'
import { describePath } from './session-summary.ts'

/** How a session ended. */
interface Ending {
  reason: string
  by: 'viewer' | 'robot'
  /** Its state until then. */
  from: string
  path: Path | undefined
  packets: number
  bytes: number
  err?: unknown
}

/** What the log tells of one session, step by step: `ms` is the time since its request. */
export interface Story {
  tell(message: string, fields?: object): void
  /** The last line, which holds the whole session. */
  ended(ending: Ending): void
}

export function createStory(log: Logger, metrics: Pick<WebrtcMetrics, 'ended'>): Story {
  const begun = performance.now()
  let connected: number | undefined
  const since = (moment: number) => Math.round(performance.now() - moment)
  return {
    tell(message, fields = {}) {
      if (message === 'session connected') connected ??= performance.now()
      log.info({ ms: since(begun), ...fields }, message)
    },
    ended({ reason, by, path, err, ...facts }) {
      metrics.ended({ reason, by, lived: since(begun) })
      const fields = {
        ...{ reason, by, ...facts, ms: since(begun) },
        ...(connected === undefined ? {} : { connected_ms: since(connected) }),
        ...(path ? { path: describePath(path) } : {}),
        ...(err ? { err } : {}),
      }
      log.info(fields, 'session closed')
    },
  }
}
