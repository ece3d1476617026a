import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'

const RAISE = `
import { raisePriority } from ${JSON.stringify(join(PROJECT_ROOT, 'lib/process/priority.ts'))}
// a listener of once() would let the process end
process.on('message', () => {
  raisePriority()
  process.send('raised')
})
process.send('loaded')
`

/** Niceness of each thread of a process that has raised its priority, after it had `niceness`; and of its session. */
async function raised(t: TestContext, niceness: number) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', RAISE], {
    cwd: PROJECT_ROOT,
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  closeAfter(t, () => child.kill('SIGKILL'))
  const { pid = Number.NaN } = child
  await once(child, 'message')
  setPriority(pid, niceness)
  child.send('raise')
  await once(child, 'message')
  // the kernel may be built without it
  const path = `/proc/${pid}/autogroup`
  const autogroup = existsSync(path) ? /nice (-?\d+)/.exec(readFileSync(path, 'utf8'))?.[1] : undefined
  const threads = readdirSync(`/proc/${pid}/task`).map((tid) => getPriority(Number(tid)))
  return {
    session: autogroup === undefined ? undefined : Number(autogroup),
    first: getPriority(pid),
    others: [...new Set(threads.slice(1))],
  }
}

const mayRaise = (() => {
  const before = getPriority()
  try {
    setPriority(before - 1)
    setPriority(before)
    return true
  } catch {
    return false
  }
})()
const skip =
  mayRaise && getPriority() === 0 ? false : 'needs the right to raise priorities, and the default one'

test('a service runs before other processes, with all its threads', { skip }, async (t) => {
  const { first, others, session } = await raised(t, 0)
  assert.deepEqual(
    { first, others, session },
    { first: -10, others: [-10], session: session === undefined ? undefined : -10 },
  )
})

test('a priority that the operator has chosen stays, and is that of the session', { skip }, async (t) => {
  const { first, others, session } = await raised(t, 5)
  assert.deepEqual(
    { first, others, session },
    { first: 5, others: [0], session: session === undefined ? undefined : 5 },
  )
})
