import { hideCredentials, isSecretName } from '#lib/redact.ts'
import type { Clip } from '../clip.ts'

/** A viewer that watches, or a client that drives. */
export type SessionKind = 'viewer' | 'driver'

/** What happened, as the bus reports it. Times are wall-clock milliseconds. */
export type HistoryRecord =
  | { type: 'clip'; clip: Clip }
  | { type: 'clip-removed'; id: string }
  | {
      type: 'track'
      id: string
      at: number
      endedAt: number | null
      label: string
      topScore: number
      zones: readonly string[]
    }
  | { type: 'track-picture'; id: string; file: string }
  | { type: 'event'; at: number; name: string; facts: Readonly<Record<string, unknown>>; kept: boolean }
  | { type: 'events-sent'; before: number; at: number }
  | {
      type: 'command'
      id: string
      at: number
      name: string
      source: string
      sessionId: string | undefined
      params: Readonly<Record<string, unknown>>
    }
  | { type: 'command-result'; id: string; at: number; success: boolean; error: string | undefined }
  | { type: 'session-start'; kind: SessionKind; sessionId: string; at: number; role: string | undefined }
  | { type: 'session-update'; kind: SessionKind; sessionId: string; facts: SessionFacts }
  | { type: 'session-end'; kind: SessionKind; sessionId: string; at: number; reason: string; by: string }
  /** The recorder runs, so what is open was open until then. */
  | { type: 'alive'; at: number }

export interface SessionFacts {
  connectionType: string | null
  protocol: string | null
  peer: string | null
  /** Drive commands. */
  commands: number
}

const MAX_TEXT = 300
const MAX_FACTS_LENGTH = 4_096
/** Nesting of facts; deeper values are null. */
const MAX_DEPTH = 16

/** Text of a client, bounded. */
export function bounded(text: string, most = MAX_TEXT): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}

/** The record as it is kept; another one may have megabytes, or nesting that no thread can be sent. */
export function boundedRecord(record: HistoryRecord): HistoryRecord {
  if (record.type === 'event') return { ...record, facts: boundedFacts(record.facts) }
  return record.type === 'command' ? { ...record, params: boundedFacts(record.params) } : record
}

/**
 * Facts of an event or a command, as JSON of at most 4 KiB and without secrets: long texts, such as the base64 of a photo, are cut,
 * and fields beyond the limit are left out.
 */
function boundedFacts(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: [string, unknown][] = []
  let length = 2
  for (const [name, value] of Object.entries(facts)) {
    const shown = withoutSecrets(value, name)
    const short = typeof shown === 'string' ? bounded(shown) : shown
    const size = (JSON.stringify(short) ?? '').length + JSON.stringify(name).length + 2
    if (length + size > MAX_FACTS_LENGTH) continue
    length += size
    kept.push([name, short])
  }
  return Object.fromEntries(kept)
}

/** Viewers that only watch read the history: no passwords, by name or in URLs. */
function withoutSecrets(value: unknown, name = '', depth = 0): unknown {
  if (value === null || typeof value === 'boolean') return value
  if (isSecretName(name)) return '[secret]'
  if (typeof value === 'string') return hideCredentials(bounded(value, MAX_FACTS_LENGTH))
  if (typeof value !== 'object') return value
  if (depth >= MAX_DEPTH) return null
  if (Array.isArray(value)) return value.map((one) => withoutSecrets(one, '', depth + 1))
  const fields = Object.entries(value).map(([key, one]) => [key, withoutSecrets(one, key, depth + 1)])
  return Object.fromEntries(fields)
}
