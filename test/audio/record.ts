/**
 * A speaker for tests: writes the samples of its input to the file `--out`, and a line with the time (ms since the epoch) and the
 * number of bytes so far for each chunk to `--times`.
 */
import { appendFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const option = { type: 'string' } as const
const { values } = parseArgs({ options: { out: option, times: option } })
let bytes = 0
process.stdin.on('data', (chunk: Buffer) => {
  appendFileSync(values.times ?? '/dev/null', `${Date.now()} ${bytes}\n`)
  appendFileSync(values.out ?? '/dev/null', chunk)
  bytes += chunk.length
})
