import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger } from '#lib/logger.ts'
import { History } from '#services/recorder/history/history.ts'

/** Fills the disk of a history while it records, frees it, and prints what came of it as JSON. */
const [, , folder = ''] = process.argv
const lines: string[] = []
const log = createLogger('history', { write: (line) => void lines.push(line) })
const history = await History.open(join(folder, 'history.db'), log)
const record = (n: number, facts = {}) =>
  history.record({ type: 'event', at: n, name: 'bark', facts, kept: true })
record(0)
await history.flush()
const fill = join(folder, 'fill')
const file = openSync(fill, 'w')
for (const size of [65_536, 4_096]) {
  try {
    while (writeSync(file, Buffer.alloc(size)) > 0);
  } catch {
    // full
  }
}
closeSync(file)
for (let n = 1; n <= 5_200; n++) record(n, { text: 'x'.repeat(280) })
await history.flush()
const during = { lines: lines.join(), listed: (await history.list({ limit: 1 })).items.length }
rmSync(fill)
await history.flush()
const { items } = await history.list({ limit: 1 })
const { event: dropped = 0 } = history.dropped
process.stdout.write(JSON.stringify({ ...during, dropped, newest: items[0]?.at }))
await history[Symbol.asyncDispose]()
