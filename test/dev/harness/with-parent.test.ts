import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { endProcess } from '#dev/harness/end-process.ts'
import { until } from '#dev/harness/until.ts'

/** Starts a process, stops it with SIGSTOP, and prints its id. */
const PARENT = `
import { spawn } from 'node:child_process'
import { withParent } from '#dev/harness/with-parent.ts'
const child = spawn(...withParent('sh', ['-c', 'echo up; exec sleep 600']), { stdio: ['ignore', 'pipe', 'ignore'] })
child.stdout.once('data', () => {
  child.kill('SIGSTOP')
  console.log(child.pid)
})
`

/** Whether it runs or is stopped; what has ended and waits for its new parent does neither. proc(5) */
function exists(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}

test('a stopped child process ends when its parent is killed', { timeout: 60_000 }, async (t) => {
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', PARENT], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => endProcess(parent))
  const [line] = await once(parent.stdout, 'data')
  const pid = Number(line)
  t.after(() => exists(pid) && process.kill(pid, 'SIGKILL'))
  assert.ok(exists(pid))
  await endProcess(parent)
  await until(() => !exists(pid), { show: () => pid })
})
