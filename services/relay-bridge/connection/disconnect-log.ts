import type { Logger } from '#lib/logger.ts'
import { shownAddress } from './relay-address.ts'
import type { Retry } from './retry-schedule.ts'

interface Loss {
  facts: { code: number | null; reason: string; next_retry_ms: number }
  retry: Retry
  url: URL
  /** The alarm that was told last. */
  told: Retry['alarm']
  /** Of this outage. */
  first: boolean
}

/** Logs that a try or a link has ended: loudly once, the rest for those who look closer. Returns the alarm that is told now. */
export function tellOfLoss(log: Logger, { facts, retry, url, told, first }: Loss): Retry['alarm'] {
  if (retry.alarm && retry.alarm !== told)
    log.error({ ...facts, url: shownAddress(url) }, ALARMS[retry.alarm])
  else if (!retry.alarm && first) log.warn(facts, 'relay link lost, trying again')
  else log.debug(facts, 'relay still away')
  return retry.alarm
}

const ALARMS = {
  // 403 answers a wrong path as well as a wrong signature (API_CONTRACT 8)
  auth_failed:
    'the relay refuses this robot: check cloud.device_id and cloud.device_secret, and the path of cloud.relay_url',
  wrong_url: 'the relay does not know this address: check cloud.relay_url',
  duplicate_device_id: 'another client uses this device_id: give each robot its own',
} as const
