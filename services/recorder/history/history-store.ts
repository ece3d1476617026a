import { renameSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Clip } from '../clip.ts'
import { countItems, type ItemPage, type ItemQuery, listItems } from './items.ts'
import { UnusableError, writeRecord } from './record-writer.ts'
import type { HistoryRecord } from './records.ts'
import { LaterVersionError, migrate } from './schema.ts'

/** What the history keeps of anything but clips. */
export interface HistoryBounds {
  days: number
  /** Size of the database. */
  bytes: number
}

/** Values that filters can have. */
export interface FilterValues {
  labels: string[]
  zones: string[]
  reasons: string[]
  /** When the oldest item began; null without items. */
  first: number | null
}

/** Rows that one step deletes while the database is too large. */
const PRUNE_ROWS = 500
const DAY_MS = 86_400_000
/** Tables whose rows are deleted by age; those of clips go with their files. */
const AGING = ['tracks', 'events', 'commands', 'sessions'] as const
/** Statements differ by the filters of a query; each costs some kB. */
const MAX_STATEMENTS = 200

/**
 * The history in a SQLite file. WAL with synchronous=NORMAL: a killed process loses nothing that was written, a power cut at most
 * the writes since the last checkpoint, and neither can damage the file. FULL would flush the card at every write, several
 * thousand times a day, for records that no client waits for; the clips are found again by their side-cars. Synchronous: for a
 * thread of its own, since a slow card can delay a write by a second.
 */
export class HistoryStore implements Disposable {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #prepare = (sql: string) => this.#statement(sql)

  private constructor(db: DatabaseSync) {
    this.#db = db
  }

  /**
   * Opens or creates the file. A damaged one, or one of a later version, is renamed to `<path>.damaged`, and a new one created;
   * `isDamaged`: it is known to be, though its check may not find that. Throws the error of SQLite where that is not possible either.
   */
  static open(path: string, isDamaged = false): { store: HistoryStore; damaged: string | undefined } {
    try {
      if (!isDamaged) return { store: new HistoryStore(openDatabase(path)), damaged: undefined }
    } catch (err) {
      if (!isDamage(err)) throw err
    }
    const aside = setAside(path)
    return { store: new HistoryStore(openDatabase(path)), damaged: aside }
  }

  /** Ends what an earlier run left open: it was open until then at least. */
  closeOpen(now: number): void {
    const alive = Number(this.#prepare("SELECT value FROM facts WHERE name = 'alive_at'").get()?.value ?? now)
    this.#transaction(() => {
      for (const table of ['sessions', 'tracks']) {
        const end = `UPDATE ${table} SET ended_at = MAX(at, MIN(?, ?)) WHERE ended_at IS NULL`
        this.#prepare(end).run(alive, now)
      }
    })
  }

  /** Writes the records in one transaction, and returns the number of those that cannot be stored. Throws when the file cannot be written. */
  write(records: readonly HistoryRecord[]): number {
    return this.#transaction(() => records.filter((record) => !this.#isWritten(record)).length)
  }

  /** Makes the table of clips that of the files; one that cannot be stored is not listed. */
  reconcile(clips: readonly Clip[]): void {
    this.#transaction(() => {
      const known = new Set(clips.map(({ id }) => id))
      for (const { id } of this.#prepare('SELECT id FROM clips').all())
        if (!known.has(String(id))) writeRecord({ type: 'clip-removed', id: String(id) }, this.#prepare)
      for (const clip of clips) this.#isWritten({ type: 'clip', clip })
    })
  }

  list(query: ItemQuery): ItemPage {
    return listItems(query, this.#prepare)
  }

  count(query: ItemQuery): number {
    return countItems(query, this.#prepare)
  }

  filterValues(): FilterValues {
    const column = (sql: string) =>
      this.#prepare(`${sql} ORDER BY 1 LIMIT 100`)
        .all()
        .map(({ v }) => String(v))
    const oldest = ['clips', ...AGING]
      .map((table) => `SELECT MIN(at) AS at FROM ${table}`)
      .join(' UNION ALL ')
    const first = this.#prepare(`SELECT MIN(at) AS at FROM (${oldest})`).get()?.at
    return {
      labels: column('SELECT label AS v FROM tracks UNION SELECT label FROM reasons WHERE label IS NOT NULL'),
      zones: column(
        'SELECT j.value AS v FROM tracks, json_each(zones) j UNION SELECT zone FROM reasons WHERE zone IS NOT NULL',
      ),
      reasons: column('SELECT DISTINCT kind AS v FROM reasons'),
      first: first === null || first === undefined ? null : Number(first),
    }
  }

  /** File of a track's picture; undefined where there is none. */
  pictureOf(trackId: string): string | undefined {
    const file = this.#prepare('SELECT picture FROM tracks WHERE id = ?').get(trackId)?.picture
    return typeof file === 'string' ? file : undefined
  }

  /** Hides a clip until it is deleted, or shows it again. False for an unknown one. */
  setDeleted(id: string, at: number | null): boolean {
    return this.#prepare('UPDATE clips SET deleted_at = ? WHERE id = ?').run(at, id).changes > 0
  }

  /** Clips that were hidden before this time. */
  deletedBefore(time: number): string[] {
    const rows = this.#prepare('SELECT id FROM clips WHERE deleted_at < ? ORDER BY deleted_at LIMIT 100')
    return rows.all(time).map(({ id }) => String(id))
  }

  /** Deletes what is too old, then the oldest while the database is too large; returns the pictures of deleted tracks. */
  prune({ days, bytes }: HistoryBounds, now: number): string[] {
    const pictures = this.#deleteWhere('at < ?', now - days * DAY_MS)
    while (this.#bytes() > bytes) {
      const deleted = this.#deleteOldest()
      if (!deleted) break
      pictures.push(...deleted)
    }
    // returns the pages that the deleted rows have freed
    this.#db.exec('PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)')
    return pictures
  }

  /** Copies every record of another store into this one, in one transaction. */
  adopt(other: HistoryStore): void {
    this.#transaction(() => {
      for (const table of AGING) {
        for (const { n, ...row } of other.#prepare(`SELECT * FROM ${table} ORDER BY n`).iterate()) {
          const names = Object.keys(row)
          const insert = `INSERT OR IGNORE INTO ${table} (${names.join()}) VALUES (?${', ?'.repeat(names.length - 1)})`
          this.#prepare(insert).run(...Object.values(row))
        }
      }
    })
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }

  #isWritten(record: HistoryRecord): boolean {
    try {
      writeRecord(record, this.#prepare)
      return true
    } catch (err) {
      if (!isUnusable(err)) throw err
      return false
    }
  }

  /** Bytes of pages in use. */
  #bytes(): number {
    const value = (pragma: string) => Number(Object.values(this.#prepare(`PRAGMA ${pragma}`).get() ?? {})[0])
    return (value('page_count') - value('freelist_count')) * value('page_size')
  }

  /** Undefined when nothing is left to delete. */
  #deleteOldest(): string[] | undefined {
    const rows = AGING.map((table) => `SELECT at FROM ${table}`).join(' UNION ALL ')
    const limit = this.#prepare(
      `SELECT MAX(at) AS at FROM (SELECT at FROM (${rows}) ORDER BY at LIMIT ${PRUNE_ROWS})`,
    ).get()?.at
    return limit === null || limit === undefined ? undefined : this.#deleteWhere('at <= ?', Number(limit))
  }

  #deleteWhere(condition: string, time: number): string[] {
    return this.#transaction(() => {
      const pictures = this.#prepare(`SELECT picture FROM tracks WHERE ${condition} AND picture IS NOT NULL`)
        .all(time)
        .map(({ picture }) => String(picture))
      for (const table of AGING) this.#prepare(`DELETE FROM ${table} WHERE ${condition}`).run(time)
      return pictures
    })
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#db.exec('COMMIT')
      return result
    } catch (err) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw err
    }
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear()
    const statement = this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5_000, enableForeignKeyConstraints: true })
  try {
    // before the first table, or it has no effect
    db.exec('PRAGMA auto_vacuum = INCREMENTAL')
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304')
    const check = db.prepare('PRAGMA quick_check(1)').get()
    if (check?.quick_check !== 'ok') throw new DamageError(String(check?.quick_check))
    migrate(db)
    return db
  } catch (err) {
    db.close()
    throw err
  }
}

class DamageError extends Error {}

/** SQLITE_CORRUPT (11) or SQLITE_NOTADB (26), in the low byte of an extended code; or a file of a later version. */
export function isDamage(err: unknown): boolean {
  const { errcode = 0 } = err as { errcode?: number }
  return err instanceof DamageError || err instanceof LaterVersionError || [11, 26].includes(errcode & 0xff)
}

/** The fault is in the record: SQLITE_CONSTRAINT (19), SQLITE_MISMATCH (20), SQLITE_TOOBIG (18), or a value that SQLite does not have. */
function isUnusable(err: unknown): boolean {
  const { errcode, code } = err as { errcode?: number; code?: string }
  return (
    err instanceof UnusableError ||
    (errcode !== undefined && [18, 19, 20].includes(errcode & 0xff)) ||
    code === 'ERR_INVALID_ARG_TYPE'
  )
}

/** Renames the file to `<path>.damaged`, in place of an earlier one; returns the new path. */
function setAside(path: string): string {
  const aside = `${path}.damaged`
  renameSync(path, aside)
  for (const suffix of ['-wal', '-shm']) {
    try {
      renameSync(`${path}${suffix}`, `${aside}${suffix}`)
    } catch {
      // there was none
    }
  }
  return aside
}
