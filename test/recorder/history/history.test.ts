import assert from 'node:assert/strict'
import { once } from 'node:events'
import { openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { createLogger } from '#lib/logger.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { History } from '#services/recorder/history/history.ts'
import type { HistoryRecord } from '#services/recorder/history/records.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { openSmallDisk, withoutSmallDisks } from '#test/helpers/small-disk.ts'
import { clipOf } from './clips.ts'

const event = (at: number, facts = {}): HistoryRecord => ({
  type: 'event',
  at,
  name: 'bark',
  facts,
  kept: true,
})
const ALL = { limit: 1_000 }

async function open(t: TestContext, path: string) {
  const lines: string[] = []
  const log = createLogger('history', { write: (line) => void lines.push(line) })
  const history = await History.open(path, log, { reopenMs: 0 })
  t.after(() => history[Symbol.asyncDispose]())
  return { history, lines }
}

test('what was recorded is there after a restart', async (t) => {
  const path = join(temporaryFolder(t), 'a/b/history.db')
  {
    const { history } = await open(t, path)
    for (let n = 0; n < 1_000; n++) history.record(event(n))
    history.record({ type: 'clip', clip: clipOf(1) })
    await history[Symbol.asyncDispose]()
  }
  const { history } = await open(t, path)
  assert.equal(await history.count(ALL), 1_001)
})

test('a history that is closed has not failed', async (t) => {
  const { history } = await open(t, join(temporaryFolder(t), 'history.db'))
  const failures: Error[] = []
  history.on('failed', (err) => failures.push(err))
  await history[Symbol.asyncDispose]()
  assert.deepEqual(failures, [])
  await assert.rejects(history.count(ALL), /the history is closed/)
})

test('requests at the same time write each record once', async (t) => {
  const { history } = await open(t, join(temporaryFolder(t), 'history.db'))
  history.record(event(1))
  await Promise.all([history.flush(), history.flush(), history.flush()])
  assert.equal(await history.count(ALL), 1)
})

test('facts have no secrets, and deep ones keep no other record from the file', async (t) => {
  const { history, lines } = await open(t, join(temporaryFolder(t), 'history.db'))
  const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))
  history.record(
    event(3, { deep, ssid: 'robot', wifi: { password: 'sesame', psk: 12345678, hasPassword: true } }),
  )
  const source = { url: 'rtsp://admin:sesame@10.0.0.9/live?pwd=sesame', note: '"sesame" is no secret here' }
  const command = {
    name: 'camera_control',
    source: 'relay',
    sessionId: undefined,
    params: { source, fps: 15 },
  }
  history.record({ type: 'command', id: 'c', at: 2, ...command })
  history.record(event(1))
  await history.flush()
  const [secret, control, plain] = (await history.list(ALL)).items
  assert.ok(plain, lines.join())
  const { deep: left, ...facts } = Object(secret?.facts)
  assert.ok(JSON.stringify(left).length < 100)
  const wifi = { password: '[secret]', psk: '[secret]', hasPassword: true }
  assert.deepEqual(facts, { ssid: 'robot', wifi })
  const shown = { url: 'rtsp://10.0.0.9/live?[hidden]', note: source.note }
  assert.deepEqual(control?.params, { source: shown, fps: 15 })
})

test('a disk that refuses the file stops nothing: the history is in memory, and moves to the file when it can', async (t) => {
  const folder = join(temporaryFolder(t), 'data')
  writeFileSync(folder, 'in the way')
  const { history, lines } = await open(t, join(folder, 'history.db'))
  assert.match(history.unwritable ?? '', /EEXIST|ENOTDIR/)
  assert.match(lines.join(), /it is in memory until it can be/)
  history.record(event(1))
  history.record(event(2))
  await history.flush()
  assert.equal(await history.count(ALL), 2)
  rmSync(folder)
  const moved = once(history, 'new-file', { signal: AbortSignal.timeout(60_000) })
  history.record(event(3))
  await history.flush()
  await moved
  await history.reconcile([clipOf(1)])
  assert.equal(history.unwritable, undefined)
  assert.equal(await history.count(ALL), 4)
  const onDisk = new DatabaseSync(join(folder, 'history.db'))
  assert.equal(onDisk.prepare('SELECT COUNT(*) AS n FROM events').get()?.n, 3)
  onDisk.close()
})

test('a file that is damaged while it is in use is set aside, and the clips are listed again', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'history.db')
  const { history, lines } = await open(t, path)
  history.on('new-file', () => void history.reconcile([clipOf(7)]))
  for (let n = 0; n < 150; n++) history.record(event(n))
  await history.flush()
  await history.prune({ days: 100_000, bytes: 1e9 })
  // the write of another client makes the history read the file again
  const other = new DatabaseSync(path)
  other.exec('DELETE FROM facts; PRAGMA wal_checkpoint(TRUNCATE)')
  other.close()
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.alloc(20_000, 0x5a), 0, 20_000, 0)
  const replaced = once(history, 'new-file', { signal: AbortSignal.timeout(60_000) })
  history.record(event(1_000))
  await history.flush()
  await replaced
  assert.match(lines.join(), /history was damaged/)
  const { items } = await history.list(ALL)
  assert.deepEqual(
    items.map(({ type }) => type),
    ['clip', 'event'],
  )
})

test('a full disk stops nothing: what waits is written when there is space', {
  skip: withoutSmallDisks(),
}, (t) => {
  const disk = openSmallDisk(t, '6m')
  const script = join(PROJECT_ROOT, 'test/recorder/history/full-disk.ts')
  const { code, stdout, stderr } = disk.run(process.execPath, [script, disk.folder])
  assert.equal(code, 0, stderr)
  const { lines, listed, dropped, newest } = JSON.parse(stdout)
  assert.match(lines, /history cannot be written, retrying/)
  assert.deepEqual({ listed, dropped, newest }, { listed: 1, dropped: 200, newest: 5_200 })
})
