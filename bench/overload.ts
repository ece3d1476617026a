/**
 * One viewer while other processes take the machine: `npm run bench:overload -- --processes 32 --seconds 30`. Prints what the viewer
 * receives before, during and after, and how often layers and encoders changed.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { print } from '#dev/harness/print.ts'
import { startStack } from '#dev/harness/stack.ts'
import { percentile } from '#dev/harness/statistics.ts'
import { type GoTool, startGoTool } from './viewers/go-tool.ts'
import { ourServer } from './viewers/our-server.ts'

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '32' },
    seconds: { type: 'string', default: '30' },
    /** Of the stack, as `Nice=` of a systemd unit; negative ones need root. */
    nice: { type: 'string', default: '0' },
    /**
     * Each loop in a session of its own. Linux shares the CPU between sessions first (sched(7), autogroups), so that all loops of
     * one shell together get what one service gets.
     */
    apart: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})
const PROCESSES = Number(values.processes)
const SECONDS = Number(values.seconds)
/** For the estimate of the path to reach the highest layer. */
const SETTLE_SECONDS = 10
const RECOVERY_SECONDS = 10
/** Interval of the readings. */
const STEP_MS = 500
/** Frames in one second that count as recovered. */
const RECOVERED_FPS = 14

interface Phase {
  name: string
  fps: number
  /** Lowest number of frames in a second. */
  least: number
  /** Intervals between frames (ms). */
  gapP99: number
  longestGap: number
  load: number
}

async function watch(name: string, receivers: GoTool, seconds: number): Promise<Phase & { steps: number[] }> {
  const steps: number[] = []
  const gaps: number[] = []
  const start = performance.now()
  let frames = 0
  while (performance.now() - start < seconds * 1000) {
    await sleep(Math.max(0, start + (steps.length + 1) * STEP_MS - performance.now()))
    const [one] = await receivers.received()
    steps.push(one?.frames ?? 0)
    frames += one?.frames ?? 0
    gaps.push(...(one?.gaps ?? []))
  }
  const perSecond = steps.slice(1).map((count, i) => count + (steps[i] ?? 0))
  return {
    name,
    fps: (frames * 1000) / (performance.now() - start),
    least: Math.min(...perSecond),
    gapP99: percentile(gaps, 0.99),
    longestGap: Math.max(...gaps),
    load: loadavg()[0] ?? Number.NaN,
    steps,
  }
}

/** Leaders of process groups; each process takes one core, as far as it is given one. */
function startCompetitors(): ChildProcess[] {
  const loops = 'i=1; while [ $i -lt "$1" ]; do (while :; do :; done) & i=$((i+1)); done; while :; do :; done'
  const [sessions, each] = values.apart ? [PROCESSES, 1] : [1, PROCESSES]
  return Array.from({ length: sessions }, () =>
    spawn('sh', ['-c', loops, 'sh', String(each)], { stdio: 'ignore', detached: true }),
  )
}

await using stack = await startStack(
  {},
  { start: (program, args, options) => spawn('nice', ['-n', values.nice, program, ...args], options) },
)
using receivers = startGoTool('receive')
const bus = await stack.join('bench')
const states = await collect(bus, topics.serviceState, { service: 'vision' })
const sessions = await collect(bus, topics.sessions)
const server = await ourServer({ bus, pids: stack.pids }, receivers)
await server.connect('overload')
await sleep(SETTLE_SECONDS * 1000)
await receivers.received()
const before = await watch('before', receivers, 5)
const linesBefore = stack.lines.length
const sessionsBefore = sessions.all.length
const competitors = startCompetitors()
let during: Awaited<ReturnType<typeof watch>>
try {
  during = await watch(`${PROCESSES} competing processes`, receivers, SECONDS)
} finally {
  for (const { pid } of competitors) if (pid !== undefined) process.kill(-pid, 'SIGKILL')
}
const after = await watch('after', receivers, RECOVERY_SECONDS)
const recovered = after.steps.findIndex(
  (count, i) => i > 0 && count + (after.steps[i - 1] ?? 0) >= RECOVERED_FPS,
)

print('| | frames/s | least in a second | gap p99 | longest gap | load |')
print('|---|---|---|---|---|---|')
for (const { name, fps, least, gapP99, longestGap, load } of [before, during, after]) {
  print(
    `| ${name} | ${fps.toFixed(1)} | ${least} | ${gapP99.toFixed(0)} ms | ${longestGap.toFixed(0)} ms | ${load.toFixed(1)} |`,
  )
}
const count = (msg: string) => stack.lines.slice(linesBefore).filter((line) => line.msg === msg).length
const layers = sessions.all.slice(sessionsBefore).map(({ payload }) => payload[0]?.layer)
const switches = layers.filter((layer, i) => i > 0 && layer !== layers[i - 1]).length
const changes = {
  recovered_s: recovered < 0 ? null : ((recovered - 1) * STEP_MS) / 1000,
  encoders_opened: count('encoder opened'),
  encoders_closed: count('encoder closed'),
  layer_switches: switches,
  layer: layers.at(-1),
  overload: states.all.at(-1)?.payload.load,
}
print()
print(JSON.stringify(changes))
print(`frames in each half second: ${during.steps.join(' ')} | ${after.steps.join(' ')}`)
const discards = stack.lines
  .slice(linesBefore)
  .filter(({ msg }) => /discard|overload|dropped/.test(String(msg)))
for (const line of discards) print(JSON.stringify(line))
if (values.json)
  writeFileSync(values.json, `${JSON.stringify({ before, during, after, changes }, undefined, 2)}\n`)
