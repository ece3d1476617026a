/**
 * Writes a chirp that repeats each second to its output in real time, as s16le: 48 kHz mono, or `--rate` and `--channels`.
 * With `--stop ms` it ends after that time, with `--stall ms` it writes nothing more; `--mark` is
 * for those who look for the process.
 */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { chirp } from './signals.ts'

const option = { type: 'string' } as const
const { values } = parseArgs({
  options: { rate: option, channels: option, stop: option, stall: option, mark: option },
})
const rate = Number(values.rate ?? 48_000)
const channels = Number(values.channels ?? 1)
const stop = Number(values.stop ?? Number.POSITIVE_INFINITY)
const stall = Number(values.stall ?? Number.POSITIVE_INFINITY)
const start = performance.now()
for (let written = 0; performance.now() - start < stop; await sleep(10)) {
  if (performance.now() - start > stall) continue
  const due = Math.floor(((performance.now() - start) * rate) / 1_000)
  const chunk = Buffer.alloc((due - written) * channels * 2)
  for (let i = 0; written < due; written++, i++) {
    for (let channel = 0; channel < channels; channel++) {
      chunk.writeInt16LE(chirp(written / rate), (i * channels + channel) * 2)
    }
  }
  writeSync(1, chunk)
}
