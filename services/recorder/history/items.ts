import type { Prepare } from './record-writer.ts'

/** Kinds of items, in the order in which items of the same millisecond are listed. */
export const ITEM_TYPES = ['clip', 'track', 'event', 'command', 'session'] as const
type ItemType = (typeof ITEM_TYPES)[number]

/** One line of the history, as JSON for the page; times are wall-clock milliseconds. */
export interface Item {
  type: ItemType
  /** Unique among the items of its type. */
  n: number
  at: number
  /** Null: not over, or a single moment. */
  end: number | null
  [field: string]: unknown
}

export interface ItemQuery {
  types?: readonly ItemType[]
  from?: number
  to?: number
  label?: string
  zone?: string
  /** Kind of reason of a clip. */
  reason?: string
  favorite?: boolean
  /** `next` of the page before. */
  cursor?: string
  limit: number
}

export interface ItemPage {
  /** The newest first. */
  items: Item[]
  /** Cursor of the next page; null on the last one. */
  next: string | null
}

interface Source {
  columns: string
  table: string
  /** Conditions of the filters; undefined: no item of this type has that. */
  filters: Readonly<Partial<Record<'label' | 'zone' | 'reason' | 'favorite', string>>>
  /** Condition of the items that are listed. */
  visible?: string
  parse(row: Row): Omit<Item, 'type' | 'n' | 'at' | 'end'>
}

type Row = Record<string, unknown>

const inReasons = (condition: string) =>
  `EXISTS (SELECT 1 FROM reasons WHERE clip = clips.n AND reasons.${condition})`

const SOURCES: Readonly<Record<ItemType, Source>> = {
  clip: {
    columns: `id, bytes, width, height, has_audio, complete, cut_short, gaps, favorite, (SELECT json_group_array(json_object('at',
      at, 'kind', kind, 'label', label, 'zone', zone, 'event', event)) FROM reasons WHERE clip = clips.n) AS reasons`,
    table: 'clips',
    visible: 'deleted_at IS NULL',
    filters: {
      label: inReasons('label = ?'),
      zone: inReasons('zone = ?'),
      reason: inReasons('kind = ?'),
      favorite: 'favorite = ?',
    },
    parse: ({ id, bytes, width, height, has_audio, complete, cut_short, gaps, favorite, reasons }) => ({
      ...{
        id,
        bytes,
        width,
        height,
        hasAudio: has_audio === 1,
        complete: complete === 1,
        cutShort: cut_short,
      },
      ...{ favorite: favorite === 1, gaps: parsed(gaps, []), reasons: parsed(reasons, []) },
    }),
  },
  track: {
    columns: 'id, label, top_score, zones, picture IS NOT NULL AS has_picture',
    table: 'tracks',
    filters: { label: 'label = ?', zone: 'EXISTS (SELECT 1 FROM json_each(zones) WHERE value = ?)' },
    parse: ({ id, label, top_score, zones, has_picture }) => ({
      ...{ id, label, score: top_score, zones: parsed(zones, []), hasPicture: has_picture === 1 },
    }),
  },
  event: {
    columns: 'name, facts, kept, sent_at',
    table: 'events',
    filters: {},
    parse: ({ name, facts, kept, sent_at }) => ({
      ...{ name, facts: parsed(facts, {}), forRelay: kept === 1, sentAt: sent_at },
    }),
  },
  command: {
    columns: 'name, source, params, success, error, ended_at',
    table: 'commands',
    filters: {},
    parse: ({ name, source, params, success, error }) => ({
      ...{ name, source, params: parsed(params, {}), error },
      success: success === null ? null : success === 1,
    }),
  },
  session: {
    columns: 'kind, role, connection_type, protocol, peer, commands, reason, ended_by, ended_at',
    table: 'sessions',
    filters: {},
    parse: ({ kind, role, connection_type, protocol, peer, commands, reason, ended_by }) => ({
      ...{ kind, role, connection: connection_type, protocol, peer, commands, reason, endedBy: ended_by },
    }),
  },
}

/** One page of items, merged from all tables. */
export function listItems(query: ItemQuery, prepare: Prepare): ItemPage {
  const types = query.types ?? ITEM_TYPES
  const found = types.flatMap((type) => itemsOf(type, query, prepare))
  const items = found.sort(newestFirst).slice(0, query.limit)
  const last = items.at(-1)
  const isMore = found.length > items.length
  return { items, next: isMore && last ? cursorOf(last) : null }
}

/** Number of items of a query, all pages. */
export function countItems(query: ItemQuery, prepare: Prepare): number {
  const { cursor, ...all } = query
  return (query.types ?? ITEM_TYPES).reduce((sum, type) => {
    const where = conditions(type, all)
    if (!where) return sum
    const { table } = SOURCES[type]
    const count = prepare(`SELECT COUNT(*) AS n FROM ${table} WHERE ${where.sql}`).get(...where.values)
    return sum + Number(count?.n)
  }, 0)
}

function itemsOf(type: ItemType, query: ItemQuery, prepare: Prepare): Item[] {
  const where = conditions(type, query)
  if (!where) return []
  const { table, columns, parse } = SOURCES[type]
  const ended = type === 'event' ? 'NULL' : 'ended_at'
  const sql = `SELECT n, at, ${ended} AS until, ${columns} FROM ${table} WHERE ${where.sql} ORDER BY at DESC, n DESC LIMIT ?`
  return prepare(sql)
    .all(...where.values, query.limit + 1)
    .map((row) => ({
      ...{ type, n: Number(row.n), at: Number(row.at), end: row.until === null ? null : Number(row.until) },
      ...parse(row),
    }))
}

/** Undefined when no item of this type can satisfy the query. */
function conditions(
  type: ItemType,
  query: ItemQuery,
): { sql: string; values: (string | number)[] } | undefined {
  const { filters, visible } = SOURCES[type]
  const sql: string[] = []
  const values: (string | number)[] = []
  const add = (condition: string, ...given: (string | number)[]) => {
    sql.push(condition)
    values.push(...given)
  }
  for (const name of ['label', 'zone', 'reason', 'favorite'] as const) {
    const value = query[name]
    if (value === undefined) continue
    const condition = filters[name]
    if (condition === undefined) return undefined
    add(condition, typeof value === 'boolean' ? Number(value) : value)
  }
  if (visible) add(visible)
  add('at >= ?', query.from ?? 0)
  add('at < ?', query.to ?? Number.MAX_SAFE_INTEGER)
  if (query.cursor !== undefined) addCursor(type, query.cursor, add)
  return { sql: sql.join(' AND '), values }
}

/** Items after the cursor in the order of {@link newestFirst}. */
function addCursor(type: ItemType, cursor: string, add: (sql: string, ...values: number[]) => void): void {
  const { at, type: last, n } = parseCursor(cursor)
  const order = ITEM_TYPES.indexOf(type) - ITEM_TYPES.indexOf(last)
  if (order > 0) add('at <= ?', at)
  else if (order < 0) add('at < ?', at)
  else add('(at, n) < (?, ?)', at, n)
}

function newestFirst(a: Item, b: Item): number {
  return b.at - a.at || ITEM_TYPES.indexOf(a.type) - ITEM_TYPES.indexOf(b.type) || b.n - a.n
}

const cursorOf = ({ at, type, n }: Item) => `${at}-${type}-${n}`

/** Whether a client may have got this cursor from a page. */
export function isCursor(text: string): boolean {
  return /^\d{1,15}-(clip|track|event|command|session)-\d{1,15}$/.test(text)
}

function parseCursor(cursor: string): { at: number; type: ItemType; n: number } {
  if (!isCursor(cursor)) throw new RangeError('not a cursor of the history')
  const [at, type, n] = cursor.split('-')
  return { at: Number(at), type: type as ItemType, n: Number(n) }
}

function parsed(text: unknown, otherwise: unknown): unknown {
  return typeof text === 'string' ? JSON.parse(text) : otherwise
}
