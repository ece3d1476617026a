import { renameSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'

/** An event on its way to the relay. */
export interface Entry {
  /** Order of the events, ascending, with gaps. */
  seq: number
  name: string
  /** The whole frame as it is sent. */
  frame: string
}

export interface Bounds {
  events: number
  bytes: number
}

/** Weeks of a robot's events, and no more than a small SD card can spare. */
export const OUTBOX_BOUNDS: Bounds = { events: 20_000, bytes: 64 * 1024 * 1024 }

/** Where a message came from, to tell one that the broker sends again; see `bus/durable-subscription.ts`. */
export interface Origin {
  messageId: number
  connection: string
  fresh: boolean
  /** Digest of topic and payload. */
  digest: string
}

export interface Counts {
  depth: number
  bytes: number
  /** Events dropped because the outbox was full, ever. */
  dropped: number
}

/** Deliveries that are remembered: more than a broker has under way to us. */
const REMEMBERED = 1_000

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, bytes INTEGER NOT NULL, frame TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS deliveries (
    n INTEGER PRIMARY KEY AUTOINCREMENT, message_id INTEGER NOT NULL, digest TEXT NOT NULL, connection TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
`

/**
 * The events that the relay has not got yet, in a SQLite file that survives SIGKILL and a pulled plug (WAL,
 * synchronous=FULL). Synchronous: it belongs into a thread of its own, since a slow card can hold a write for a second.
 */
export class OutboxStore implements Disposable {
  readonly #db: DatabaseSync
  readonly #bounds: Bounds
  readonly #statements = new Map<string, StatementSync>()
  #depth = 0
  #bytes = 0

  private constructor(db: DatabaseSync, bounds: Bounds) {
    this.#db = db
    this.#bounds = bounds
    const totals = this.#run('SELECT COUNT(*) AS depth, COALESCE(SUM(bytes), 0) AS bytes FROM events').get()
    this.#depth = Number(totals?.depth)
    this.#bytes = Number(totals?.bytes)
  }

  /** Opens the file, or makes it. A damaged one is put aside as `<path>.damaged`, and a new one begun. */
  static open(
    path: string,
    bounds: Bounds = OUTBOX_BOUNDS,
  ): { store: OutboxStore; damaged: string | undefined } {
    try {
      return { store: new OutboxStore(openDatabase(path), bounds), damaged: undefined }
    } catch (err) {
      if (!isDamage(err)) throw err
      renameSync(path, `${path}.damaged`)
      for (const suffix of ['-wal', '-shm']) tryRename(`${path}${suffix}`, `${path}.damaged${suffix}`)
      return { store: new OutboxStore(openDatabase(path), bounds), damaged: `${path}.damaged` }
    }
  }

  get counts(): Counts {
    const dropped = this.#run("SELECT value FROM facts WHERE name = 'dropped'").get()?.value
    return { depth: this.#depth, bytes: this.#bytes, dropped: Number(dropped ?? 0) }
  }

  /** Stores an event; on disk when this returns. False for a message that is stored already and was sent again. */
  append(name: string, frame: string, origin?: Origin): boolean {
    return this.#transaction(() => {
      if (origin && this.#isKnown(origin)) return false
      const bytes = Buffer.byteLength(frame)
      this.#run('INSERT INTO events (name, bytes, frame) VALUES (?, ?, ?)').run(name, bytes, frame)
      this.#depth++
      this.#bytes += bytes
      if (origin) this.#remember(origin)
      this.#keepBounds()
      return true
    })
  }

  /** The oldest events after `seq`, at most this many, and no more than one beyond this many bytes. */
  after(seq: number, { count, bytes }: { count: number; bytes: number }): Entry[] {
    const entries: Entry[] = []
    let sum = 0
    const rows = this.#run('SELECT seq, name, bytes, frame FROM events WHERE seq > ? ORDER BY seq LIMIT ?')
    for (const row of rows.iterate(seq, count)) {
      if (sum >= bytes) break
      sum += Number(row.bytes)
      entries.push({ seq: Number(row.seq), name: String(row.name), frame: String(row.frame) })
    }
    return entries
  }

  /** Forgets every event up to this one: the relay has it. */
  forgetUpTo(seq: number): void {
    this.#delete('seq <= ?', seq)
  }

  /** Forgets one event that can never be sent. */
  forget(seq: number): void {
    this.#transaction(() => this.#countDropped(this.#delete('seq = ?', seq)))
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }

  #isKnown({ fresh, messageId, digest, connection }: Origin): boolean {
    if (messageId === 0) return false
    if (fresh) this.#run('DELETE FROM deliveries WHERE connection <> ?').run(connection)
    const known = 'SELECT 1 FROM deliveries WHERE message_id = ? AND digest = ? AND connection <> ?'
    return this.#run(known).get(messageId, digest, connection) !== undefined
  }

  #remember({ messageId, digest, connection }: Origin): void {
    const insert = 'INSERT INTO deliveries (message_id, digest, connection) VALUES (?, ?, ?)'
    const { lastInsertRowid } = this.#run(insert).run(messageId, digest, connection)
    this.#run('DELETE FROM deliveries WHERE n <= ?').run(Number(lastInsertRowid) - REMEMBERED)
  }

  #keepBounds(): void {
    let dropped = 0
    while (this.#depth > this.#bounds.events || (this.#bytes > this.#bounds.bytes && this.#depth > 1)) {
      dropped += this.#delete('seq = (SELECT MIN(seq) FROM events)')
    }
    this.#countDropped(dropped)
  }

  #countDropped(count: number): void {
    if (count === 0) return
    const add =
      "INSERT INTO facts VALUES ('dropped', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
    this.#run(add).run(count)
  }

  #delete(where: string, ...values: number[]): number {
    const gone = this.#run(`DELETE FROM events WHERE ${where} RETURNING bytes`).all(...values)
    this.#depth -= gone.length
    for (const { bytes } of gone) this.#bytes -= Number(bytes)
    return gone.length
  }

  #transaction<T>(work: () => T): T {
    const [depth, bytes] = [this.#depth, this.#bytes]
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#db.exec('COMMIT')
      return result
    } catch (err) {
      this.#depth = depth
      this.#bytes = bytes
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw err
    }
  }

  #run(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5_000 })
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304')
    const check = db.prepare('PRAGMA quick_check(1)').get()
    if (check?.quick_check !== 'ok') throw new DamageError(String(check?.quick_check))
    db.exec(SCHEMA)
    return db
  } catch (err) {
    db.close()
    throw err
  }
}

class DamageError extends Error {}

/** SQLITE_CORRUPT (11) or SQLITE_NOTADB (26). */
function isDamage(err: unknown): boolean {
  return err instanceof DamageError || [11, 26].includes((err as { errcode?: number }).errcode ?? 0)
}

function tryRename(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch {
    // there was none
  }
}
