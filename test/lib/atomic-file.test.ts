import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AtomicFile } from '#lib/atomic-file.ts'
import { createLogger } from '#lib/logger.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

function recorded() {
  const lines: Record<string, unknown>[] = []
  return { lines, log: createLogger('test', { write: (line) => void lines.push(JSON.parse(line)) }) }
}

test('the newest text is the one on the disk, and nothing else lies beside it', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'new', 'state.json')
  const { lines, log } = recorded()
  {
    await using file = new AtomicFile(path, log)
    assert.equal(await file.read(), undefined)
    for (let i = 0; i <= 200; i++) file.save(`text ${i}`)
  }
  assert.equal(readFileSync(path, 'utf8'), 'text 200')
  assert.deepEqual(readdirSync(join(folder, 'new')), ['state.json'])
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(lines, [])
})

test('while it is written, a reader sees either the old or the new text whole', async (t) => {
  const path = join(temporaryFolder(t), 'state.json')
  const { log } = recorded()
  await using file = new AtomicFile(path, log)
  const texts = new Set<string>()
  for (let i = 0; i < 50; i++) {
    file.save(String(i % 10).repeat(100_000))
    await new Promise((resolve) => setImmediate(resolve))
    texts.add((await file.read()) ?? '')
  }
  for (const text of texts) assert.ok(text === '' || (text.length === 100_000 && new Set(text).size === 1))
})

test('a disk that cannot be written is one line, and goes on once it can', async (t) => {
  const folder = temporaryFolder(t)
  const blocked = join(folder, 'blocked')
  writeFileSync(blocked, 'a file where a folder should be')
  const { lines, log } = recorded()
  const file = new AtomicFile(join(blocked, 'state.json'), log)
  for (const text of ['a', 'b', 'c']) {
    file.save(text)
    await file[Symbol.asyncDispose]()
  }
  assert.equal(lines.length, 1)
  assert.match(String(lines[0]?.msg), /data_dir/)
  mkdirSync(join(folder, 'open'))
  await using other = new AtomicFile(join(folder, 'open', 'state.json'), log)
  other.save('d')
  await other[Symbol.asyncDispose]()
  assert.equal(await other.read(), 'd')
})
