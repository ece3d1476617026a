import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'

/** A test that starts an engine and then hangs. */
const HANGING = `
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { startEngine } from '${join(PROJECT_ROOT, 'test/image/engine.ts')}'
test('hangs', { timeout: Number(process.env.TIMEOUT_MS) }, async (t) => {
  const engine = await startEngine(t, process.env.FOLDER)
  writeFileSync(process.env.FOLDER + '/started', typeof engine)
  await new Promise(() => undefined)
})`

const ENDS: Record<string, { timeout: number; kill: boolean }> = {
  'that is killed': { timeout: 600_000, kill: true },
  'that runs into its timeout': { timeout: 8_000, kill: false },
}
for (const [name, { timeout, kill }] of Object.entries(ENDS)) {
  test(`a test ${name} leaves no engine running and nothing mounted`, {
    skip: without('dockerd'),
  }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'wimz-engine-'))
    closeAfter(t, () => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'hanging.test.mjs')
    writeFileSync(file, HANGING)
    const env = { ...process.env, FOLDER: folder, TIMEOUT_MS: `${timeout}` }
    const child = spawn(process.execPath, [file], { cwd: PROJECT_ROOT, env, stdio: 'ignore' })
    const exited = once(child, 'exit')
    closeAfter(t, () => child.kill('SIGKILL'))
    const started = join(folder, 'started')
    await until(() => existsSync(started), { deadline: 60_000, every: 200 })
    const running = readFileSync(started, 'utf8')
    if (running === 'string') return t.skip('no Docker engine can be started here')
    if (kill) child.kill('SIGKILL')
    await exited
    await until(() => processesWith(folder).length === 0, {
      deadline: 40_000,
      every: 200,
      show: () => processesWith(folder).join('\n'),
    })
    assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(folder))
  })
}

/** Command lines of the processes that have a path in their arguments. */
function processesWith(path: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      } catch {
        return '' // it has ended
      }
    })
    .filter((line) => line.includes(path))
}
