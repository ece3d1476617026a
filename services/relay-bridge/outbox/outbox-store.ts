import { renameSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'

/** An event that waits for the relay. */
export interface Entry {
  /** Ascending, with gaps. */
  seq: number
  name: string
  /** The whole frame, as text. */
  frame: string
}

export interface Bounds {
  events: number
  bytes: number
}

/** Weeks of a robot's events, and little enough for a small SD card. */
export const OUTBOX_BOUNDS: Bounds = { events: 20_000, bytes: 64 * 1024 * 1024 }

/** Identifies a message that the broker delivers again; see `bus/durable-subscription.ts`. */
export interface DeliveryKey {
  messageId: number
  connection: string
  fresh: boolean
  /** Digest of topic and payload. */
  digest: string
}

export interface Counts {
  depth: number
  bytes: number
  /** Events dropped because the outbox was full, since it was created. */
  dropped: number
}

/** More deliveries than a broker can have in flight. */
const MAX_DELIVERIES = 1_000

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, bytes INTEGER NOT NULL, frame TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS deliveries (
    n INTEGER PRIMARY KEY AUTOINCREMENT, message_id INTEGER NOT NULL, digest TEXT NOT NULL, connection TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
`

/**
 * The events that the relay has not confirmed, in a SQLite file that survives SIGKILL and power loss (WAL,
 * synchronous=FULL). Synchronous: for a thread of its own, since a slow card can delay a write by a second.
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

  /** Opens or creates the file. A damaged one is renamed to `<path>.damaged`, and a new one created. */
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

  /** Stores an event; on disk when this returns. Returns false for a delivery that is stored already. */
  append(name: string, frame: string, origin?: DeliveryKey): boolean {
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

  /**
   * Stores what another outbox holds, in one transaction: its events, the deliveries that it knows, and its count of dropped
   * events. When it fails, nothing of it is stored.
   */
  adopt(other: OutboxStore): void {
    this.#transaction(() => {
      const insert = this.#run('INSERT INTO events (name, bytes, frame) VALUES (?, ?, ?)')
      for (const { name, bytes, frame } of other.#run('SELECT * FROM events ORDER BY seq').iterate()) {
        insert.run(String(name), Number(bytes), String(frame))
        this.#depth++
        this.#bytes += Number(bytes)
      }
      for (const { message_id, digest, connection } of other
        .#run('SELECT * FROM deliveries ORDER BY n')
        .iterate()) {
        const key = { messageId: Number(message_id), digest: String(digest), connection: String(connection) }
        this.#remember({ ...key, fresh: false })
      }
      this.#countDropped(other.counts.dropped)
      this.#keepBounds()
    })
  }

  /** The oldest events after `seq`: at most `count`, and none after the one that reaches `bytes`. */
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

  /** Deletes the events up to this one, which the relay has confirmed. */
  deleteUpTo(seq: number): void {
    this.#delete('seq <= ?', seq)
  }

  /** Deletes one event that the relay rejects, and counts it as dropped. */
  reject(seq: number): void {
    this.#transaction(() => this.#countDropped(this.#delete('seq = ?', seq)))
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }

  #isKnown({ fresh, messageId, digest, connection }: DeliveryKey): boolean {
    if (messageId === 0) return false
    if (fresh) this.#run('DELETE FROM deliveries WHERE connection <> ?').run(connection)
    const known = 'SELECT 1 FROM deliveries WHERE message_id = ? AND digest = ? AND connection <> ?'
    return this.#run(known).get(messageId, digest, connection) !== undefined
  }

  #remember({ messageId, digest, connection }: DeliveryKey): void {
    const insert = 'INSERT INTO deliveries (message_id, digest, connection) VALUES (?, ?, ?)'
    const { lastInsertRowid } = this.#run(insert).run(messageId, digest, connection)
    this.#run('DELETE FROM deliveries WHERE n <= ?').run(Number(lastInsertRowid) - MAX_DELIVERIES)
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
