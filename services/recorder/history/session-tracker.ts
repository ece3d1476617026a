import type { SessionSummary } from '#bus/messages.ts'
import type { HistoryRecord, SessionFacts, SessionKind } from './records.ts'

/** Without a drive command for this long, driving is over. */
const DRIVE_PAUSE_MS = 5_000
/** `webrtc/sessions` is published every few seconds while there is a viewer. */
const VIEWER_SILENCE_MS = 15_000
const CHECK_INTERVAL_MS = 1_000
/** Sessions at a time, viewers and drivers; ids come from clients. */
const MAX_OPEN = 64

interface Open {
  kind: SessionKind
  sessionId: string
  /** Monotonic: the last sign of it. */
  seenAt: number
  /** The same by the wall clock. */
  seenWall: number
  facts: SessionFacts
  /** As last recorded. */
  recorded: string
}

/**
 * Who watches and who drives: from `webrtc/sessions`, `signaling/closed` and the drive commands to one record for each session at
 * its start, at a change of its path, and at its end.
 */
export class SessionTracker implements Disposable {
  readonly #record: (record: HistoryRecord) => void
  readonly #now: () => number
  readonly #open = new Map<string, Open>()
  readonly #timer = setInterval(() => this.check(), CHECK_INTERVAL_MS)

  /** `now` in milliseconds, monotonic. */
  constructor(record: (record: HistoryRecord) => void, now = () => performance.now()) {
    this.#record = record
    this.#now = now
    this.#timer.unref()
  }

  /** The present list of viewers. */
  viewers(list: readonly SessionSummary[]): void {
    for (const one of list) if (one.state === 'connected') this.#watches(one)
  }

  /** A drive command of this session, or of a source without one. */
  drove(sessionId: string, source: string): void {
    const open = this.#seen('driver', sessionId, source)
    if (open) open.facts.commands++
  }

  closed(sessionId: string, reason: string, by: 'viewer' | 'robot'): void {
    for (const kind of ['viewer', 'driver'] as const) {
      const open = this.#open.get(`${kind} ${sessionId}`)
      if (open) this.#end(open, Date.now(), reason, by)
    }
  }

  allClosed(reason: string): void {
    for (const open of [...this.#open.values()])
      if (open.kind === 'viewer') this.#end(open, Date.now(), reason, 'robot')
  }

  /** Ends what has given no sign for too long. */
  check(): void {
    const now = this.#now()
    for (const open of [...this.#open.values()]) {
      const most = open.kind === 'driver' ? DRIVE_PAUSE_MS : VIEWER_SILENCE_MS
      if (now - open.seenAt > most) this.#end(open, open.seenWall, 'ended', 'viewer')
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #watches({ session_id, role, connection_type, protocol, candidate_pair }: SessionSummary): void {
    const open = this.#seen('viewer', session_id, role)
    if (!open) return
    Object.assign(open.facts, {
      connectionType: connection_type,
      protocol: protocol ?? null,
      peer: candidate_pair,
    })
    this.#update(open)
  }

  #seen(kind: SessionKind, sessionId: string, role: string | undefined): Open | undefined {
    const key = `${kind} ${sessionId}`
    const known = this.#open.get(key)
    const at = Date.now()
    if (known) {
      known.seenAt = this.#now()
      known.seenWall = at
      return known
    }
    if (this.#open.size >= MAX_OPEN) return undefined
    const facts = { connectionType: null, protocol: null, peer: null, commands: 0 }
    const open = {
      kind,
      sessionId,
      seenAt: this.#now(),
      seenWall: at,
      facts,
      recorded: JSON.stringify(facts),
    }
    this.#open.set(key, open)
    this.#record({ type: 'session-start', kind, sessionId, at, role })
    return open
  }

  #update(open: Open): void {
    const facts = JSON.stringify(open.facts)
    if (facts === open.recorded) return
    open.recorded = facts
    const { kind, sessionId } = open
    this.#record({ type: 'session-update', kind, sessionId, facts: { ...open.facts } })
  }

  #end(open: Open, at: number, reason: string, by: string): void {
    const { kind, sessionId } = open
    this.#open.delete(`${kind} ${sessionId}`)
    this.#update(open)
    this.#record({ type: 'session-end', kind, sessionId, at, reason, by })
  }
}
