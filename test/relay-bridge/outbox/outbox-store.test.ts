import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { type Bounds, OUTBOX_BOUNDS, OutboxStore } from '#services/relay-bridge/outbox/outbox-store.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const ALL = { count: 1_000, bytes: Number.MAX_SAFE_INTEGER }

function open(t: TestContext, path = join(temporaryFolder(t), 'outbox.db'), bounds?: Bounds) {
  const { store, damaged } = OutboxStore.open(path, bounds)
  return { store, damaged, path, names: () => store.after(0, ALL).map(({ name }) => name) }
}

test('events are read in the order they were stored, also after a restart (I02)', (t) => {
  const { store, path } = open(t)
  for (let i = 0; i < 20; i++) store.append(`e${i}`, `{"n":${i}}`)
  store.deleteUpTo(store.after(0, { count: 5, bytes: 1_000 }).at(-1)?.seq ?? 0)
  store[Symbol.dispose]()
  const again = open(t, path)
  assert.deepEqual(
    again.names(),
    Array.from({ length: 15 }, (_, i) => `e${i + 5}`),
  )
  assert.deepEqual(again.store.counts.depth, 15)
  again.store[Symbol.dispose]()
})

test('a full outbox drops the oldest events, by count and by bytes, and counts them (A11)', (t) => {
  const { store, names } = open(t, undefined, { events: 3, bytes: 100 })
  for (const name of ['a', 'b', 'c', 'd']) store.append(name, '{}')
  assert.deepEqual(names(), ['b', 'c', 'd'])
  store.append('large', 'x'.repeat(98))
  assert.deepEqual(names(), ['d', 'large'])
  store.append('larger', 'x'.repeat(500))
  assert.deepEqual(names(), ['larger'])
  assert.deepEqual(store.counts, { depth: 1, bytes: 500, dropped: 5 })
  store[Symbol.dispose]()
})

test('a message that the broker retransmits is stored once', (t) => {
  const { store, names } = open(t)
  const origin = { messageId: 7, connection: 'first', fresh: false, digest: 'd' }
  assert.equal(store.append('a', '{}', origin), true)
  assert.equal(store.append('a', '{}', { ...origin, connection: 'second' }), false)
  assert.equal(store.append('other', '{}', { ...origin, connection: 'second', digest: 'e' }), true)
  assert.equal(
    store.append('same again', '{}', origin),
    true,
    'the same connection never sends a message twice',
  )
  const forgotten = { ...origin, connection: 'third', fresh: true }
  assert.equal(store.append('new', '{}', forgotten), true, 'a broker without our session cannot send again')
  assert.deepEqual(names(), ['a', 'other', 'same again', 'new'])
  store[Symbol.dispose]()
})

test('a damaged file is renamed and a new one created', (t) => {
  const path = join(temporaryFolder(t), 'outbox.db')
  writeFileSync(path, 'this is no database at all, however long one reads it '.repeat(200))
  const { store, damaged, names } = open(t, path)
  assert.equal(damaged, `${path}.damaged`)
  store.append('a', '{}')
  assert.deepEqual(names(), ['a'])
  store[Symbol.dispose]()
})

test('counts and bytes match the content after random operations', (t) => {
  const { store, names } = open(t, undefined, { events: 8, bytes: 60 })
  const step = fc.oneof(
    fc.record({ what: fc.constant('append' as const), size: fc.nat(30) }),
    fc.record({ what: fc.constant('forget' as const), size: fc.nat(5) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
      for (const { what, size } of steps) {
        if (what === 'append') store.append('e', 'x'.repeat(size))
        else store.deleteUpTo(store.after(0, ALL)[size]?.seq ?? 0)
      }
      const entries = store.after(0, ALL)
      assert.equal(store.counts.depth, entries.length)
      assert.equal(
        store.counts.bytes,
        entries.reduce((sum, { frame }) => sum + frame.length, 0),
      )
      assert.ok(entries.length <= 8)
    }),
    { numRuns: 40 },
  )
  assert.ok(names().length <= 8)
  store[Symbol.dispose]()
})

test('what was read is not read again, and a part ends at its limits', (t) => {
  const { store } = open(t)
  for (let i = 0; i < 10; i++) store.append(`e${i}`, 'x'.repeat(10))
  const part = store.after(0, { count: 3, bytes: 1_000 })
  assert.deepEqual(
    part.map(({ name }) => name),
    ['e0', 'e1', 'e2'],
  )
  const next = store.after(part.at(-1)?.seq ?? 0, { count: 100, bytes: 25 })
  assert.deepEqual(
    next.map(({ name }) => name),
    ['e3', 'e4', 'e5'],
    'the one that reaches the limit is the last',
  )
  assert.deepEqual(store.after(store.after(0, ALL).at(-1)?.seq ?? 0, ALL), [])
  store[Symbol.dispose]()
})

test('a rejected event is gone, counted as dropped, and the others stay', (t) => {
  const { store, names } = open(t)
  for (const name of ['a', 'b', 'c']) store.append(name, '{}')
  store.reject(store.after(0, ALL)[1]?.seq ?? 0)
  assert.deepEqual(names(), ['a', 'c'])
  assert.deepEqual(store.counts, { depth: 2, bytes: 4, dropped: 1 })
  store[Symbol.dispose]()
})

test('the outbox of a robot holds 20 000 events or 64 MiB', () => {
  assert.deepEqual(OUTBOX_BOUNDS, { events: 20_000, bytes: 67_108_864 })
})

test('a message without an id is never a repetition', (t) => {
  const { store } = open(t)
  const origin = { messageId: 0, connection: 'a', fresh: false, digest: 'd' }
  assert.equal(store.append('a', '{}', origin), true)
  assert.equal(store.append('a', '{}', { ...origin, connection: 'b' }), true)
  store[Symbol.dispose]()
})

test('the last 1 000 deliveries are remembered', (t) => {
  const { store } = open(t, ':memory:')
  const origin = (messageId: number, connection: string) => ({
    ...{ messageId, connection, fresh: false, digest: 'd' },
  })
  for (let id = 1; id <= 1_001; id++) store.append('a', '{}', origin(id, 'a'))
  assert.equal(store.append('a', '{}', origin(2, 'b')), false)
  assert.equal(store.append('a', '{}', origin(1, 'b')), true, 'the oldest is forgotten')
  store[Symbol.dispose]()
})

test('a store that is closed is released, and cannot be written', (t) => {
  const { store } = open(t)
  store[Symbol.dispose]()
  assert.throws(() => store.append('a', '{}'), /not open/)
})

test('a file that cannot be opened for another reason than damage is left alone', (t) => {
  const path = join(temporaryFolder(t), 'outbox.db')
  mkdirSync(path)
  assert.throws(() => OutboxStore.open(path))
  assert.deepEqual([existsSync(path), existsSync(`${path}.damaged`)], [true, false])
})

test('a file with damage behind its header is renamed as well', (t) => {
  const { store, path } = open(t)
  for (let i = 0; i < 5; i++) store.append('e', 'x'.repeat(40_000))
  store[Symbol.dispose]()
  const bytes = readFileSync(path)
  bytes.fill(0xa5, 4_096 * 3, 4_096 * 20)
  writeFileSync(path, bytes)
  const again = open(t, path)
  assert.equal(again.damaged, `${path}.damaged`)
  again.store[Symbol.dispose]()
})

test('a write that fails changes nothing, and the next one works', (t) => {
  const { store, names } = open(t)
  store.append('a', '{}')
  const broken = { messageId: 1, connection: 'c', fresh: false, digest: null as unknown as string }
  assert.throws(() => store.append('b', '{}', broken))
  assert.deepEqual([names(), store.counts.depth, store.counts.bytes], [['a'], 1, 2])
  assert.equal(store.append('c', '{}'), true)
  assert.deepEqual(names(), ['a', 'c'])
  store[Symbol.dispose]()
})
