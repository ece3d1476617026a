import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { AtomicFile } from '#lib/atomic-file.ts'
import { createLogger } from '#lib/logger.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

function recorded() {
  const lines: Record<string, unknown>[] = []
  return { lines, log: createLogger('test', { write: (line) => void lines.push(JSON.parse(line)) }) }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined // the descriptor of the folder itself
  }
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
  file.save('9'.repeat(100_000))
  await file[Symbol.asyncDispose]()
  let reads = 0
  const hasSeenChange = async () => {
    file.save(String(reads % 10).repeat(100_000))
    texts.add((await file.read()) ?? '')
    return ++reads >= 50 && texts.size > 1
  }
  await until(hasSeenChange, { deadline: 60_000, every: 0 })
  for (const text of texts) assert.ok(text.length === 100_000 && new Set(text).size === 1, text.slice(0, 20))
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

test('the old file stays whole for a reader that has it open', async (t) => {
  const path = join(temporaryFolder(t), 'state.json')
  await using file = new AtomicFile(path, recorded().log)
  file.save('the old text')
  await file[Symbol.asyncDispose]()
  const before = openSync(path, 'r')
  t.after(() => closeSync(before))
  file.save('new')
  await file[Symbol.asyncDispose]()
  assert.equal(readFileSync(before, 'utf8'), 'the old text')
  assert.equal(await file.read(), 'new')
})

test('the whole text is on the disk before the file gets its name, then the name is, and the file is closed', async (t) => {
  const probe = await open(join(temporaryFolder(t), 'probe'), 'w')
  const handle = Object.getPrototypeOf(probe) as Record<'sync', () => Promise<void>>
  await probe.close()
  const { sync } = handle
  const path = join(temporaryFolder(t), 'state.json')
  // takes several writes
  const text = 'x'.repeat(4 * 1024 * 1024)
  const found: [draft: number | undefined, named: boolean][] = []
  t.mock.method(handle, 'sync', async function (this: { sync: () => Promise<void> }) {
    const draft = statSync(`${path}.new`, { throwIfNoEntry: false })
    await sync.call(this)
    await new Promise((resolve) => setTimeout(resolve, 20)) // a slow disk
    found.push([draft?.size, existsSync(path)])
  })
  await using file = new AtomicFile(path, recorded().log)
  file.save(text)
  await file[Symbol.asyncDispose]()
  assert.deepEqual(found, [
    [text.length, false],
    [undefined, true],
  ])
  const left = readdirSync('/proc/self/fd').filter((fd) => linkOf(`/proc/self/fd/${fd}`)?.startsWith(path))
  assert.deepEqual(left, [])
})

test('a file that cannot be read is logged and counts as missing', async (t) => {
  const { lines, log } = recorded()
  await using file = new AtomicFile(temporaryFolder(t), log)
  assert.equal(await file.read(), undefined)
  assert.equal(lines.length, 1)
})

test('each failure after a success is logged again', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'sub', 'state.json')
  const { lines, log } = recorded()
  await using file = new AtomicFile(path, log)
  const save = async (text: string) => {
    file.save(text)
    await file[Symbol.asyncDispose]()
  }
  writeFileSync(join(folder, 'sub'), '')
  await save('a')
  rmSync(join(folder, 'sub'))
  await save('b')
  assert.equal(readFileSync(path, 'utf8'), 'b')
  rmSync(join(folder, 'sub'), { recursive: true })
  writeFileSync(join(folder, 'sub'), '')
  await save('c')
  assert.equal(lines.length, 2)
})
