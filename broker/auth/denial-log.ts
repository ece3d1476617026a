import type { Client } from 'aedes'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { originOf } from './peer-address.ts'

/** Refusals that are remembered as told; a client that makes names up must not fill the memory, nor the log. */
const MOST_TOLD = 1_000
const LINES_PER_MINUTE = 30
const MINUTE = 60_000

/** Logs a refusal once per client and kind of topic; the rest is only counted, by the caller. */
export type TellRefusal = (client: Client | null, what: string, topic: string) => void

export function createRefusals(log: Logger, prefix: string): TellRefusal {
  const told = new Set<string>()
  let lines = 0
  let minute = -MINUTE
  return (client, what, topic) => {
    const key = `${client?.id} ${what} ${kindOf(topic, prefix)}`.slice(0, 300)
    if (told.has(key)) return
    const now = performance.now()
    if (now - minute >= MINUTE) {
      minute = now
      lines = 0
    }
    if (lines++ >= LINES_PER_MINUTE) return
    if (told.size >= MOST_TOLD) told.clear()
    told.add(key)
    const address = client ? originOf(client.conn).address : undefined
    const fields = { client: client?.id?.slice(0, 64), address, topic: topic.slice(0, 200) }
    log.warn(fields, `${what} refused: no rule or no room for it`)
  }
}

/** `command/{name}` for each command: log lines are per kind of topic. */
function kindOf(topic: string, prefix: string): string {
  const name = topic.startsWith(`${prefix}/`) ? topic.slice(prefix.length + 1) : undefined
  if (name === undefined) return topic.split('/', 1)[0] ?? ''
  for (const { match, pattern } of Object.values(topics)) if (match(name)) return pattern
  return name.split('/', 1)[0] ?? ''
}
