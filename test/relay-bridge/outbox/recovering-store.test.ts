import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { OUTBOX_BOUNDS, OutboxStore } from '#services/relay-bridge/outbox/outbox-store.ts'
import { RecoveringStore } from '#services/relay-bridge/outbox/recovering-store.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const ALL = { count: 100, bytes: 1_000_000 }
const namesOf = (store: RecoveringStore, seq = 0) => store.after(seq, ALL).map(({ name }) => name)

test('events that came while the file could not be opened follow those of an earlier run', (t) => {
  const folder = join(temporaryFolder(t), 'data')
  const path = join(folder, 'outbox.db')
  writeFileSync(folder, 'in the way')
  const store = new RecoveringStore(path, OUTBOX_BOUNDS)
  assert.match(store.unwritable ?? '', /EEXIST|ENOTDIR/)
  for (const name of ['bark', 'alert', 'treat']) store.append(name, '{}')
  const [first, second] = store.after(0, ALL)
  store.deleteUpTo(first?.seq ?? 0)
  store.reopen()
  assert.notEqual(store.unwritable, undefined)
  rmSync(folder)
  new RecoveringStore(path, OUTBOX_BOUNDS)[Symbol.dispose]()
  {
    using earlier = OutboxStore.open(path).store
    earlier.append('earlier', '{}')
  }
  store.reopen()
  assert.equal(store.unwritable, undefined)
  assert.equal(store.counts.depth, 3)
  assert.deepEqual(namesOf(store), ['earlier', 'alert', 'treat'])
  // what was on its way when the events moved is sent again; its confirmation deletes no other
  assert.deepEqual(namesOf(store, second?.seq), ['earlier', 'alert', 'treat'])
  store.deleteUpTo(second?.seq ?? 0)
  assert.equal(store.counts.depth, 3)
  const last = store.after(0, ALL).at(-1)
  store.append('bark', '{}')
  assert.deepEqual(namesOf(store, last?.seq), ['bark'])
  store.deleteUpTo(last?.seq ?? 0)
  store.reject(store.after(0, ALL)[0]?.seq ?? 0)
  assert.deepEqual([store.counts.depth, store.counts.dropped], [0, 1])
  store[Symbol.dispose]()
  assert.equal(OutboxStore.open(path).store.counts.depth, 0)
})

test('events in memory are bounded by the memory of the process, not by the size of a card', (t) => {
  const file = join(temporaryFolder(t), 'file')
  writeFileSync(file, '')
  using store = new RecoveringStore(join(file, 'outbox.db'), OUTBOX_BOUNDS)
  for (let i = 0; i < 40; i++) store.append('photo', 'x'.repeat(1_000_000))
  assert.equal(store.counts.depth, 16)
  assert.equal(store.counts.dropped, 24)
})

test('a move to the file that fails half-way leaves nothing there, and is repeated as a whole', (t) => {
  const folder = join(temporaryFolder(t), 'data')
  const path = join(folder, 'outbox.db')
  writeFileSync(folder, 'in the way')
  using store = new RecoveringStore(path, OUTBOX_BOUNDS)
  const delivery = { messageId: 7, connection: 'first', fresh: true, digest: 'd' }
  store.append('bark', '{}', delivery)
  for (const name of ['alert', 'treat']) store.append(name, '{}')
  store.reject(store.after(0, ALL)[1]?.seq ?? 0)
  rmSync(folder)
  new RecoveringStore(path, OUTBOX_BOUNDS)[Symbol.dispose]()
  const onDisk = new DatabaseSync(path)
  onDisk.exec(
    "CREATE TRIGGER full BEFORE INSERT ON events WHEN NEW.name = 'treat' BEGIN SELECT RAISE(FAIL, 'disk is full'); END",
  )
  store.reopen()
  assert.match(store.unwritable ?? '', /disk is full/)
  assert.deepEqual(namesOf(store), ['bark', 'treat'])
  assert.equal(onDisk.prepare('SELECT COUNT(*) AS n FROM events').get()?.n, 0)
  onDisk.exec('DROP TRIGGER full')
  store.reopen()
  assert.equal(store.unwritable, undefined)
  assert.deepEqual(namesOf(store), ['bark', 'treat'])
  assert.deepEqual(store.counts, { depth: 2, bytes: 4, dropped: 1 })
  // the broker delivers the message again on its next connection
  assert.equal(store.append('bark', '{}', { ...delivery, connection: 'second', fresh: false }), false)
  onDisk.close()
})
