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

/** Text of a client, bounded. */
export function bounded(text: string, most = MAX_TEXT): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}

/**
 * Facts of an event or a command as JSON of at most 4 KiB: long texts, such as the base64 of a photo, are cut, and fields beyond
 * the limit are left out.
 */
export function boundedFacts(facts: Readonly<Record<string, unknown>>): string {
  const kept: Record<string, unknown> = {}
  let length = 2
  for (const [name, value] of Object.entries(facts)) {
    const short = typeof value === 'string' ? bounded(value) : value
    const size = (JSON.stringify(short) ?? '').length + JSON.stringify(name).length + 2
    if (length + size > MAX_FACTS_LENGTH) continue
    length += size
    kept[name] = short
  }
  return JSON.stringify(kept)
}
