import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { HistoryStore } from '#services/recorder/history/history-store.ts'
import { RecoveringHistory } from '#services/recorder/history/recovering-history.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { clipOf, START } from './clips.ts'

/** A file with a clip and an open session, one index of which has other entries than its table: quick_check does not find that. */
function withDamagedIndex(t: TestContext, name: string, definition: string): string {
  const path = join(temporaryFolder(t), 'history.db')
  {
    using store = HistoryStore.open(path).store
    store.reconcile([clipOf(1)])
    store.write([{ type: 'session-start', kind: 'viewer', sessionId: 's', at: START, role: undefined }])
  }
  const db = new DatabaseSync(path, { defensive: false })
  db.exec('PRAGMA writable_schema = ON')
  db.prepare('UPDATE sqlite_schema SET sql = ? WHERE name = ?').run(
    `CREATE INDEX ${name} ON ${definition}`,
    name,
  )
  db.close()
  return path
}

test('a file whose index is damaged is set aside when a write finds it', (t) => {
  const path = withDamagedIndex(t, 'reasons_clip', 'reasons (at)')
  using history = new RecoveringHistory(path, 0)
  assert.deepEqual(history.file, { generation: 0, damaged: undefined, unwritable: undefined })
  history.reconcile([clipOf(2)])
  const { generation, ...file } = history.file
  assert.deepEqual(file, { damaged: `${path}.damaged`, unwritable: undefined })
  history.reconcile([clipOf(2), clipOf(3)])
  assert.equal(history.file.generation, generation)
  assert.deepEqual(
    history.query('list', [{ limit: 9 }]).items.map(({ id }) => id),
    ['clip-3', 'clip-2'],
  )
  assert.ok(existsSync(`${path}.damaged`))
})

test('a file whose index is damaged is set aside when its open sessions cannot be ended', (t) => {
  const path = withDamagedIndex(t, 'sessions_open', 'sessions (at) WHERE ended_at IS NULL')
  using history = new RecoveringHistory(path, 0)
  assert.deepEqual(history.file, { generation: 0, damaged: `${path}.damaged`, unwritable: undefined })
})
