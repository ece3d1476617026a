import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { collectGarbage } from '#lib/process/garbage.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

test('the pages of what nothing refers to return to the system', () => {
  let garbage: object[] = []
  for (let i = 0; i < 400_000; i++) garbage.push({ i })
  const full = process.memoryUsage().heapTotal
  assert.equal(garbage.length, 400_000)
  garbage = []
  collectGarbage()
  const saved = full - process.memoryUsage().heapTotal
  assert.ok(saved > 10_000_000, `${saved} bytes`)
  assert.equal(globalThis.gc, undefined)
})

test('a service does not stop for the garbage of its start once it serves', async (t) => {
  const folder = temporaryFolder(t)
  const config = join(folder, 'robot.yaml')
  writeFileSync(config, `data_dir: ${folder}\n`)
  const script = join(PROJECT_ROOT, 'test/lib/process/notify-service.ts')
  const child = spawn(process.execPath, ['--trace-gc', script, '--config', config], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  t.after(() => child.kill('SIGKILL'))
  const events: string[] = []
  for await (const line of createInterface(child.stdout ?? assert.fail())) {
    // V8 names a collection that the program has asked for so
    events.push(/ testing; |^serving|"msg":"started"/.exec(line)?.[0].trim() ?? '')
    if (events.at(-1) === '"msg":"started"') break
  }
  assert.deepEqual([...new Set(events.filter(Boolean))], ['testing;', 'serving', '"msg":"started"'])
  assert.ok(events.lastIndexOf('testing;') < events.indexOf('serving'))
})
