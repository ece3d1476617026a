import { cpus } from 'node:os'
import { print } from '#dev/harness/print.ts'
import { type LogLine, startStack } from '#dev/harness/stack.ts'
import { percentile } from '#dev/harness/statistics.ts'

/** Starts the whole stack several times (default 6) and prints when each part was ready: `npm run bench:start -- 10`. */
const RUNS = Number(process.argv[2] ?? 6)
/** From `npm start` on (ms); the command exits with 1 when a median is longer. */
const MAX_MS = { registered: 2_000, frame: 3_000 }

/** The first line of each kind, by what it means. */
const MARKS: Record<string, (line: LogLine) => boolean> = {
  'broker listens': ({ msg }) => msg === 'listener opened',
  'registered with the relay': ({ service, msg }) =>
    service === 'relay-bridge' && msg === 'registered with the relay',
  'first picture, ready to be encoded': ({ msg }) => msg === 'camera works',
  'detector works': ({ msg }) => msg === 'detector ready',
  'ready for viewers': ({ service, msg }) => service === 'webrtc' && msg === 'started',
  'all services started': ({ msg }) => msg?.startsWith('all services started') ?? false,
}

async function measure(): Promise<Map<string, number>> {
  const began = Date.now()
  await using stack = await startStack()
  const when = () =>
    new Map(
      Object.entries(MARKS).flatMap(([mark, where]) => {
        const line = stack.lines.find(where)
        return line ? [[mark, Date.parse(String(line.time)) - began] as const] : []
      }),
    )
  const end = performance.now() + 15_000
  while (when().size < Object.keys(MARKS).length && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return when()
}

const times = new Map<string, number[]>(Object.keys(MARKS).map((mark) => [mark, []]))
for (let run = 0; run < RUNS; run++) {
  for (const [mark, ms] of await measure()) times.get(mark)?.push(ms)
}
print(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; ${RUNS} starts`)
print('')
print('| from `npm start` to | median | worst |')
print('|---|---|---|')
for (const [mark, all] of times) {
  print(`| ${mark} | ${percentile(all, 0.5)} ms | ${Math.max(...all)} ms |`)
}
const late = (mark: string, most: number) => !(percentile(times.get(mark) ?? [], 0.5) <= most)
const slow =
  late('registered with the relay', MAX_MS.registered) ||
  late('first picture, ready to be encoded', MAX_MS.frame)
process.exitCode = slow ? 1 : 0
