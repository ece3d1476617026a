import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'
import { HistoryStore } from '#services/recorder/history/history-store.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

/**
 * Kills a process that writes into the history, at a random moment, again and again: no file is damaged, everything that was
 * flushed is there, and nothing is there twice or half.
 */
export async function killAgainAndAgain(t: TestContext, times: number): Promise<void> {
  const path = join(temporaryFolder(t), 'history.db')
  let next = 0
  for (let i = 0; i < times; i++) {
    const flushed = await killOnce(path, next)
    const { store, damaged } = HistoryStore.open(path)
    assert.equal(damaged, undefined)
    const [newest] = store.list({ limit: 1 }).items
    const count = store.count({ limit: 1 })
    store[Symbol.dispose]()
    assert.ok((newest?.at ?? -1) >= flushed, `kill ${i}: ${newest?.at} written, ${flushed} was flushed`)
    assert.equal(count, (newest?.at ?? -1) + 1, `kill ${i}`)
    next = count
  }
  assert.ok(next > times, 'nothing was written')
}

/** Resolves to the last event that the process had reported as written. */
async function killOnce(path: string, first: number): Promise<number> {
  const script = join(PROJECT_ROOT, 'test/recorder/history/kill-writer.ts')
  const child = spawn(process.execPath, [script, path, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let flushed = first - 1
  const lines = createInterface(child.stdout)
  const begun = once(lines, 'line')
  lines.on('line', (line) => {
    flushed = Number(line)
  })
  const exited = once(child, 'close')
  // one that ends by itself prints no line
  await Promise.race([begun, exited])
  const moment = setTimeout(() => child.kill('SIGKILL'), Math.random() * 30)
  await exited
  clearTimeout(moment)
  return flushed
}
