import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { HistoryStore } from '#services/recorder/history/history-store.ts'
import type { Item, ItemQuery } from '#services/recorder/history/items.ts'
import { boundedRecord, type HistoryRecord } from '#services/recorder/history/records.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { clipOf, START } from './clips.ts'

const event = (at: number, name = 'bark', facts = {}): HistoryRecord => ({
  type: 'event',
  at,
  name,
  facts,
  kept: true,
})
const track = (n: number, change = {}): HistoryRecord => ({
  ...{
    type: 'track',
    id: `t${n}`,
    at: START + n,
    endedAt: START + n + 500,
    label: 'dog',
    topScore: 0.8,
    zones: [],
  },
  ...change,
})
const nameOf = (item: Item) => String(item.id ?? item.name ?? item.kind)

/** All items, page by page. */
function all(store: HistoryStore, query: Omit<ItemQuery, 'limit'> = {}, limit = 3): Item[] {
  const items: Item[] = []
  let cursor: string | undefined
  do {
    const page = store.list({ ...query, limit, ...(cursor ? { cursor } : {}) })
    assert.ok(page.items.length <= limit)
    items.push(...page.items)
    cursor = page.next ?? undefined
  } while (cursor)
  return items
}

test('items of all kinds come in one order, each on one page only, whatever the size of a page', () => {
  using store = HistoryStore.open(':memory:').store
  const at = START
  store.write([
    ...Array.from({ length: 7 }, () => event(at)),
    ...Array.from({ length: 3 }, (_, n) => track(n * 0, { id: `same${n}` })),
    { type: 'clip', clip: clipOf(0) },
    { type: 'command', id: 'c', at, name: 'treat', source: 'relay', sessionId: undefined, params: {} },
    { type: 'session-start', kind: 'viewer', sessionId: 's', at, role: 'watch' },
    event(at - 1),
    event(at + 1),
  ])
  const whole = all(store, {}, 100).map(({ type, n }) => `${type} ${n}`)
  assert.equal(new Set(whole).size, 15)
  for (const limit of [1, 2, 3, 5, 14, 15, 16])
    assert.deepEqual(
      all(store, {}, limit).map(({ type, n }) => `${type} ${n}`),
      whole,
      `pages of ${limit}`,
    )
  assert.equal(store.count({ limit: 1 }), 15)
})

test('filters leave what has the label, the zone, the reason or the time', () => {
  using store = HistoryStore.open(':memory:').store
  const zoned = clipOf(2, {
    reasons: [{ kind: 'zone', label: 'cat', zone: 'sofa', at: START }],
    favorite: true,
  })
  store.write([
    { type: 'clip', clip: clipOf(1) },
    { type: 'clip', clip: zoned },
    track(1),
    track(2, { label: 'cat', zones: ['sofa', 'bed'] }),
    event(START + 10_000),
  ])
  const names = (query: Omit<ItemQuery, 'limit'>) => all(store, query).map(nameOf).sort()
  assert.deepEqual(names({ label: 'dog' }), ['clip-1', 't1'])
  assert.deepEqual(names({ zone: 'sofa' }), ['clip-2', 't2'])
  assert.deepEqual(names({ zone: 'sofa', label: 'dog' }), [])
  assert.deepEqual(names({ reason: 'zone' }), ['clip-2'])
  assert.deepEqual(names({ favorite: true }), ['clip-2'])
  assert.deepEqual(names({ types: ['track'] }), ['t1', 't2'])
  assert.deepEqual(names({ from: START + 2_000, to: START + 10_000 }), ['clip-2'])
  assert.deepEqual(names({ label: "dog' OR 1=1 --" }), [])
  assert.equal(store.count({ label: 'dog', limit: 1 }), 2)
  assert.deepEqual(store.filterValues(), {
    ...{ labels: ['cat', 'dog'], zones: ['bed', 'sofa'], reasons: ['label', 'zone'], first: START + 1 },
  })
})

test('a track, a command and a session are one item from their start to their end', () => {
  using store = HistoryStore.open(':memory:').store
  const facts = { connectionType: 'LAN', protocol: 'udp', peer: 'host 10.0.0.1', commands: 7 }
  store.write([
    track(0, { endedAt: null, topScore: 0.5 }),
    track(0, { endedAt: START + 9, topScore: 0.9, zones: ['sofa'] }),
    track(0, { topScore: 0.7, endedAt: START + 9, zones: ['sofa'] }),
    { type: 'track-picture', id: 't0', file: 'a.jpg' },
    {
      type: 'command',
      id: 'x',
      at: START,
      name: 'treat',
      source: 'relay',
      sessionId: 's',
      params: { count: 1 },
    },
    { type: 'command-result', id: 'x', at: START + 5, success: false, error: 'empty' },
    { type: 'command-result', id: 'x', at: START + 6, success: true, error: undefined },
    { type: 'session-start', kind: 'driver', sessionId: 's', at: START, role: 'drive' },
    { type: 'session-update', kind: 'driver', sessionId: 's', facts },
    { type: 'session-end', kind: 'driver', sessionId: 's', at: START + 7, reason: 'closed', by: 'viewer' },
    { type: 'session-start', kind: 'driver', sessionId: 's', at: START + 8, role: 'drive' },
  ])
  const [again, first, command, tracked] = [
    ...store.list({ types: ['session'], limit: 9 }).items,
    ...store.list({ types: ['command', 'track'], limit: 9 }).items.reverse(),
  ]
  assert.deepEqual([again?.end, again?.commands], [null, 0])
  assert.deepEqual(
    [first?.end, first?.commands, first?.peer, first?.reason],
    [START + 7, 7, 'host 10.0.0.1', 'closed'],
  )
  assert.deepEqual([command?.success, command?.error, command?.end], [false, 'empty', START + 5])
  assert.deepEqual(
    [tracked?.score, tracked?.end, tracked?.zones, tracked?.hasPicture],
    [0.9, START + 9, ['sofa'], true],
  )
  assert.equal(store.pictureOf('t0'), 'a.jpg')
})

test('what an earlier run left open ends when it last was known to run', () => {
  using store = HistoryStore.open(':memory:').store
  store.write([
    { type: 'session-start', kind: 'viewer', sessionId: 's', at: START, role: undefined },
    track(0, { endedAt: null }),
    { type: 'alive', at: START + 60_000 },
    track(120_000, { endedAt: null }),
  ])
  store.closeOpen(START + 500_000)
  const ends = all(store).map(({ end }) => (end ?? 0) - START)
  assert.deepEqual(ends, [120_000, 60_000, 60_000])
})

test('the table of clips becomes that of the files, and keeps what was deleted a moment ago', () => {
  using store = HistoryStore.open(':memory:').store
  store.reconcile([clipOf(1), clipOf(2)])
  assert.equal(store.setDeleted('clip-2', START), true)
  assert.equal(store.setDeleted('unknown', START), false)
  store.reconcile([clipOf(2, { bytes: 5 }), clipOf(3)])
  assert.deepEqual(all(store).map(nameOf), ['clip-3'])
  assert.deepEqual(store.deletedBefore(START + 1), ['clip-2'])
  assert.deepEqual(store.deletedBefore(START), [])
  store.setDeleted('clip-2', null)
  assert.deepEqual(all(store).map(nameOf), ['clip-3', 'clip-2'])
})

test('the oldest go by age, then by size; clips go with their files only', (t) => {
  const path = join(temporaryFolder(t), 'history.db')
  using store = HistoryStore.open(path).store
  const day = 86_400_000
  const text = { text: 'x'.repeat(250) }
  store.write([{ type: 'clip', clip: clipOf(0, { startedAt: START - 90 * day }) }])
  store.write([track(0, { at: START - 31 * day }), { type: 'track-picture', id: 't0', file: 'old.jpg' }])
  store.write(Array.from({ length: 4_000 }, (_, n) => event(START - n, 'bark', text)))
  assert.deepEqual(store.prune({ days: 30, bytes: 1e9 }, START), ['old.jpg'])
  assert.equal(store.count({ limit: 1 }), 4_001)
  store.prune({ days: 30, bytes: 600_000 }, START)
  const left = store.count({ types: ['event'], limit: 1 })
  assert.ok(left > 500 && left < 2_500, `${left} events`)
  assert.equal(store.list({ types: ['event'], limit: 1 }).items[0]?.at, START)
  assert.equal(store.count({ types: ['clip'], limit: 1 }), 1)
  store.prune({ days: 30, bytes: 1 }, START)
  assert.equal(store.count({ limit: 1 }), 1)
})

test('facts and texts of clients are bounded, and a record that cannot be stored takes no other with it', () => {
  using store = HistoryStore.open(':memory:').store
  const facts = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`f${n}`, 'y'.repeat(1_000)]))
  const unusable = { ...event(Number.NaN), at: Number.NaN }
  assert.equal(
    store.write([event(1, 'n'.repeat(9_999), { ...facts, small: 1 }), unusable, event(2)].map(boundedRecord)),
    1,
  )
  const [, long] = store.list({ limit: 9 }).items
  assert.ok(JSON.stringify(long).length < 5_000)
  assert.equal(String(long?.name).length, 300)
  assert.equal(store.count({ limit: 1 }), 2)
})

test('a time that cannot be read again is not stored, and hides no other item', () => {
  using store = HistoryStore.open(':memory:').store
  const far = 1e17
  const records = [track(1), track(2, { at: far }), track(3, { at: -far }), track(4, { endedAt: far })]
  assert.equal(store.write(records), 3)
  store.reconcile([clipOf(1), clipOf(2, { startedAt: far }), clipOf(3, { durationMs: 1e300 })])
  assert.deepEqual(all(store).map(nameOf), ['clip-1', 't1'])
  assert.equal(store.filterValues().first, START + 1)
})

test('a damaged file, and one of a later version, is set aside', (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'history.db')
  writeFileSync(path, 'not a database, but long enough to be taken for one '.repeat(100))
  {
    const { store, damaged } = HistoryStore.open(path)
    assert.equal(damaged, `${path}.damaged`)
    store.write([event(1)])
    store[Symbol.dispose]()
  }
  {
    using store = HistoryStore.open(path).store
    assert.equal(store.count({ limit: 1 }), 1)
  }
  const later = new DatabaseSync(path)
  later.exec('PRAGMA user_version = 99')
  later.close()
  const { store, damaged } = HistoryStore.open(path)
  assert.ok(damaged)
  assert.equal(store.count({ limit: 1 }), 0)
  store[Symbol.dispose]()
  assert.ok(existsSync(`${path}.damaged`), String(readdirSync(folder)))
})
