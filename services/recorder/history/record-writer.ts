import type { StatementSync } from 'node:sqlite'
import type { Clip } from '../clip.ts'
import { bounded, type HistoryRecord } from './records.ts'

/** Reasons and gaps of one clip that are listed. */
const MAX_PER_CLIP = 100

/** Prepares a statement, once. */
export type Prepare = (sql: string) => StatementSync

/** The record cannot be stored. */
export class UnusableError extends Error {}

/** A time as SQLite stores it. Throws for one that JavaScript could not read again, which would fail every list with it. */
function wholeMs(time: number): number {
  const ms = Math.round(time)
  if (!Number.isSafeInteger(ms)) throw new UnusableError('not a time')
  return ms
}

type Of<T extends HistoryRecord['type']> = Extract<HistoryRecord, { type: T }>
type Writers = { [T in HistoryRecord['type']]: (record: Of<T>, prepare: Prepare) => void }

const WRITERS: Writers = {
  clip: ({ clip }, prepare) => writeClip(clip, prepare),
  'clip-removed': ({ id }, prepare) => void prepare('DELETE FROM clips WHERE id = ?').run(id),
  track(track, prepare) {
    const upsert = `INSERT INTO tracks (id, at, ended_at, label, top_score, zones) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, label = excluded.label,
        top_score = MAX(top_score, excluded.top_score), zones = excluded.zones`
    const { id, at, endedAt, label, topScore, zones } = track
    const names = JSON.stringify(zones.slice(0, 20).map((zone) => bounded(zone)))
    const times = [wholeMs(at), endedAt === null ? null : wholeMs(endedAt)]
    prepare(upsert).run(bounded(id), ...times, bounded(label), topScore, names)
  },
  'track-picture': ({ id, file }, prepare) =>
    void prepare('UPDATE tracks SET picture = ? WHERE id = ?').run(file, bounded(id)),
  event({ at, name, facts, kept }, prepare) {
    prepare('INSERT INTO events (at, name, facts, kept) VALUES (?, ?, ?, ?)').run(
      ...[at, bounded(name), JSON.stringify(facts), Number(kept)],
    )
  },
  'events-sent': ({ before, at }, prepare) =>
    void prepare('UPDATE events SET sent_at = ? WHERE kept = 1 AND sent_at IS NULL AND at <= ?').run(
      at,
      before,
    ),
  command({ id, at, name, source, sessionId, params }, prepare) {
    const insert = 'INSERT INTO commands (id, at, name, source, session_id, params) VALUES (?, ?, ?, ?, ?, ?)'
    const session = sessionId === undefined ? null : bounded(sessionId)
    prepare(insert).run(bounded(id), at, bounded(name), bounded(source), session, JSON.stringify(params))
  },
  'command-result'({ id, at, success, error }, prepare) {
    const update = `UPDATE commands SET ended_at = ?, success = ?, error = ?
      WHERE n = (SELECT MAX(n) FROM commands WHERE id = ?) AND ended_at IS NULL`
    prepare(update).run(at, Number(success), error === undefined ? null : bounded(error), bounded(id))
  },
  'session-start'({ kind, sessionId, at, role }, prepare) {
    const insert = 'INSERT INTO sessions (kind, session_id, at, role) VALUES (?, ?, ?, ?)'
    prepare(insert).run(kind, bounded(sessionId), at, role ?? null)
  },
  'session-update'({ kind, sessionId, facts }, prepare) {
    const update = `UPDATE sessions SET connection_type = COALESCE(?, connection_type), protocol = COALESCE(?, protocol),
      peer = COALESCE(?, peer), commands = ? WHERE session_id = ? AND kind = ? AND ended_at IS NULL`
    const peer = facts.peer === null ? null : bounded(facts.peer)
    const known = [facts.connectionType, facts.protocol, peer, facts.commands]
    prepare(update).run(...known, bounded(sessionId), kind)
  },
  'session-end'({ kind, sessionId, at, reason, by }, prepare) {
    const update = `UPDATE sessions SET ended_at = MAX(at, ?), reason = ?, ended_by = ?
      WHERE session_id = ? AND kind = ? AND ended_at IS NULL`
    prepare(update).run(at, bounded(reason), by, bounded(sessionId), kind)
  },
  alive({ at }, prepare) {
    prepare(
      "INSERT INTO facts VALUES ('alive_at', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    ).run(at)
  },
}

/** Writes one record. Throws the error of SQLite, or an {@link UnusableError}. */
export function writeRecord(record: HistoryRecord, prepare: Prepare): void {
  const write = WRITERS[record.type] as (record: HistoryRecord, prepare: Prepare) => void
  write(record, prepare)
}

/** A clip that is known already keeps what only the history knows: whether it was deleted a moment ago. */
function writeClip(clip: Clip, prepare: Prepare): void {
  const columns = {
    at: wholeMs(clip.startedAt),
    ended_at: wholeMs(clip.startedAt + clip.durationMs),
    file: clip.file,
    bytes: clip.bytes,
    width: clip.width,
    height: clip.height,
    has_audio: Number(clip.hasAudio),
    complete: Number(clip.complete),
    cut_short: clip.cutShort ?? null,
    gaps: JSON.stringify(clip.gaps.slice(0, MAX_PER_CLIP)),
    favorite: Number(clip.favorite ?? false),
  }
  const names = Object.keys(columns)
  const upsert = `INSERT INTO clips (id, ${names.join()}) VALUES (?${', ?'.repeat(names.length)})
    ON CONFLICT (id) DO UPDATE SET ${names.map((name) => `${name} = excluded.${name}`).join()} RETURNING n`
  const n = Number(prepare(upsert).get(clip.id, ...Object.values(columns))?.n)
  prepare('DELETE FROM reasons WHERE clip = ?').run(n)
  const insert = prepare('INSERT INTO reasons (clip, at, kind, label, zone, event) VALUES (?, ?, ?, ?, ?, ?)')
  for (const { at, kind, label, zone, event } of clip.reasons.slice(0, MAX_PER_CLIP))
    insert.run(n, wholeMs(at), kind, label ?? null, zone ?? null, event ?? null)
}
