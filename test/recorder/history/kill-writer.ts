import { createLogger } from '#lib/logger.ts'
import { History } from '#services/recorder/history/history.ts'

/** Writes events into a history until it is killed, and prints the time (the only fact) of the last one of each flush. */
const [, , path = '', first = '0'] = process.argv
const history = await History.open(path, createLogger('history', { write() {} }))
for (let n = Number(first); ; ) {
  for (let i = 0; i < 1 + (n % 37); i++)
    history.record({ type: 'event', at: n++, name: 'bark', facts: {}, kept: true })
  await history.flush()
  process.stdout.write(`${n - 1}\n`)
}
