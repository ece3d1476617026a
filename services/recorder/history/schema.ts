import type { DatabaseSync } from 'node:sqlite'

/**
 * Steps from one version of the schema to the next; `user_version` of the file counts the steps that it has. A step is never
 * changed once it is released. Times are wall-clock milliseconds.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE clips (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, ended_at INTEGER NOT NULL, file TEXT NOT NULL,
    bytes INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, has_audio INTEGER NOT NULL,
    complete INTEGER NOT NULL, cut_short TEXT, gaps TEXT NOT NULL, favorite INTEGER NOT NULL, deleted_at INTEGER) STRICT;
  CREATE INDEX clips_at ON clips (at);
  CREATE TABLE reasons (
    clip INTEGER NOT NULL REFERENCES clips (n) ON DELETE CASCADE, at INTEGER NOT NULL, kind TEXT NOT NULL, label TEXT, zone TEXT,
    event TEXT) STRICT;
  CREATE INDEX reasons_clip ON reasons (clip);
  CREATE TABLE tracks (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, ended_at INTEGER, label TEXT NOT NULL,
    top_score REAL NOT NULL, zones TEXT NOT NULL, picture TEXT) STRICT;
  CREATE INDEX tracks_at ON tracks (at);
  CREATE TABLE events (
    n INTEGER PRIMARY KEY, at INTEGER NOT NULL, name TEXT NOT NULL, facts TEXT NOT NULL, kept INTEGER NOT NULL, sent_at INTEGER) STRICT;
  CREATE INDEX events_at ON events (at);
  CREATE INDEX events_unsent ON events (n) WHERE kept = 1 AND sent_at IS NULL;
  CREATE TABLE commands (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, session_id TEXT,
    params TEXT NOT NULL, ended_at INTEGER, success INTEGER, error TEXT) STRICT;
  CREATE INDEX commands_at ON commands (at);
  CREATE INDEX commands_id ON commands (id);
  CREATE TABLE sessions (
    n INTEGER PRIMARY KEY, kind TEXT NOT NULL, session_id TEXT NOT NULL, at INTEGER NOT NULL, ended_at INTEGER, role TEXT,
    connection_type TEXT, protocol TEXT, peer TEXT, commands INTEGER NOT NULL DEFAULT 0, reason TEXT, ended_by TEXT) STRICT;
  CREATE INDEX sessions_at ON sessions (at);
  CREATE INDEX sessions_open ON sessions (session_id) WHERE ended_at IS NULL;
  CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  `,
]

/** The file was written by a later version of this product. */
export class LaterVersionError extends Error {}

/** Brings the schema up to date, each step in a transaction of its own. Throws {@link LaterVersionError}. */
export function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
  if (version > MIGRATIONS.length)
    throw new LaterVersionError(`schema ${version}, this version knows ${MIGRATIONS.length}`)
  for (const [i, step] of MIGRATIONS.entries()) {
    if (i < version) continue
    db.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${i + 1}; COMMIT`)
  }
}
