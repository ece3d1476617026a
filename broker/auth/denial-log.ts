import type { Client } from 'aedes'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { peerOf } from './peer-address.ts'

/** Bounds of memory and log: a client may invent any number of names. */
const MAX_LOGGED = 1_000
const LINES_PER_MINUTE = 30
const MINUTE_MS = 60_000

/** What Home Assistant subscribes to at every broker, also for integrations that are not in use: its `generated/mqtt.py`. */
const HOME_ASSISTANT_FILTERS: ReadonlySet<string> = new Set([
  'arwn/#',
  'cloudapp/QBUSMQTTGW/+/state',
  'cloudapp/QBUSMQTTGW/config',
  'cloudapp/QBUSMQTTGW/state',
  'drop_connect/discovery/#',
  'dsmr/#',
  'esphome/discover/#',
  'fully/deviceInfo/+',
  '/greencell/broadcast/device',
  'inels/status/#',
  'pglab/discovery/#',
  'prism/hello',
  'tasmota/discovery/#',
])

/** Whether the denial of this subscription is normal, so that it needs neither a log line nor a counter. */
export function isExpectedDenial(filter: string): boolean {
  return HOME_ASSISTANT_FILTERS.has(filter)
}

/** Logs a denial once per client and kind of topic; the caller counts all of them. */
export type LogDenial = (client: Client | null, what: string, topic: string) => void

export function createDenialLog(log: Logger, prefix: string): LogDenial {
  const logged = new Set<string>()
  let lines = 0
  let minute = -MINUTE_MS
  return (client, what, topic) => {
    const now = performance.now()
    if (now - minute >= MINUTE_MS) {
      minute = now
      lines = 0
    }
    // first: under a flood the rest would cost more than the denial
    if (lines >= LINES_PER_MINUTE) return
    const key = `${client?.id} ${what} ${patternOf(topic, prefix)}`.slice(0, 300)
    if (logged.has(key)) return
    lines++
    if (logged.size >= MAX_LOGGED) logged.clear()
    logged.add(key)
    const address = client ? peerOf(client.conn).address : undefined
    const fields = { client: client?.id?.slice(0, 64), address, topic: topic.slice(0, 200) }
    log.warn(fields, `${what} denied: no rule allows it, or a limit is reached`)
  }
}

/** The pattern of the topic, such as `command/{name}`. */
function patternOf(topic: string, prefix: string): string {
  const name = topic.startsWith(`${prefix}/`) ? topic.slice(prefix.length + 1) : undefined
  if (name === undefined) return topic.split('/', 1)[0] ?? ''
  for (const { match, pattern } of Object.values(topics)) if (match(name)) return pattern
  return name.split('/', 1)[0] ?? ''
}
