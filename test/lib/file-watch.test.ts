import assert from 'node:assert/strict'
import { renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '#dev/harness/until.ts'
import { watchFiles } from '#lib/file-watch.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

test('an edit, a replaced target of a symbolic link, a new and a deleted file are each reported', async (t) => {
  const folder = temporaryFolder(t)
  const [file, link, target, late] = ['file', 'link', 'target', 'late'].map((name) => join(folder, name))
  assert.ok(file && link && target && late)
  writeFileSync(file, 'a')
  writeFileSync(target, 'a')
  symlinkSync(target, link)
  let changes = 0
  using _watch = watchFiles([file, link, late], () => changes++, 5)
  const steps = [
    () => writeFileSync(file, 'longer'),
    () => {
      writeFileSync(`${target}.new`, 'b')
      renameSync(`${target}.new`, target)
    },
    () => writeFileSync(late, ''),
    () => unlinkSync(late),
  ]
  for (const [i, step] of steps.entries()) {
    step()
    await until(() => changes === i + 1, { show: () => ({ i, changes }) })
  }
})

test('files that keep changing are reported once, when they are done', async (t) => {
  const file = join(temporaryFolder(t), 'file')
  let [size, reported] = [0, -1]
  using _watch = watchFiles([file], () => (reported = size), 100)
  for (; size < 20; size++) {
    writeFileSync(file, 'x'.repeat(size))
    await sleep(20)
  }
  await until(() => reported >= 0)
  assert.equal(reported, 20)
})
