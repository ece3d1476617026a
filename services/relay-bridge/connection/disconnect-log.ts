import { shownAddress } from '#lib/http/relay-address.ts'
import type { Logger } from '#lib/logger.ts'
import type { Retry } from './retry-schedule.ts'

interface LoggedDisconnect {
  facts: { code: number | null; reason: string; next_retry_ms: number }
  retry: Retry
  url: URL
  lastAlarm: Retry['alarm']
  /** The first of this outage. */
  isFirst: boolean
}

/** Logs the end of an attempt or a connection: one line per outage and alarm, the others at level debug. */
export function logDisconnect(
  log: Logger,
  { facts, retry, url, lastAlarm, isFirst }: LoggedDisconnect,
): void {
  if (retry.alarm && retry.alarm !== lastAlarm)
    log.error({ ...facts, url: shownAddress(url) }, ALARMS[retry.alarm])
  else if (!retry.alarm && isFirst) log.warn(facts, 'relay connection lost, reconnecting')
  else log.debug(facts, 'relay still unreachable')
}

const ALARMS = {
  // a wrong path is answered with 403 as well (docs/relay-protocol.md, authentication)
  auth_failed:
    'the relay refuses this robot: check cloud.device_id and cloud.device_secret, and the path of cloud.relay_url',
  wrong_url: 'the relay does not know this address: check cloud.relay_url',
  duplicate_device_id: 'another client uses this device_id: give each robot its own',
} as const
