import { spawn } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { writeReport } from '#bench/report/document.ts'
import type { ChaosRow } from '#bench/report/plots.ts'
import { observeRun, writeResult } from '#bench/report/result.ts'
import { launchBrowser } from '#dev/harness/browser.ts'
import { endSignal } from '#dev/harness/end-signal.ts'
import { isAlive } from '#dev/harness/is-alive.ts'
import { openViewer } from '#dev/harness/page.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { print } from '#dev/harness/print.ts'
import { seededRandom } from '#dev/harness/random.ts'
import { startStack } from '#dev/harness/stack.ts'
import { percentile } from '#dev/harness/statistics.ts'
import { withParent } from '#dev/harness/with-parent.ts'
import { mountSmallDisk, unmount } from './faults.ts'
import { eventsArrived, publishEvents, sendCommands, watchMotors } from './observers.ts'
import { openRelayTap } from './relay-tap.ts'
import { openRobotClock } from './robot-clock.ts'
import { Rounds } from './rounds.ts'

/**
 * Faults in a random order that a seed repeats, while a browser watches, an app sends commands, a driver drives and a
 * service publishes events: `npm run chaos -- --minutes 15 --seed 1`. Prints the time to recovery of each fault; the table goes to
 * `bench/results/` and into docs/performance.md, unless `--no-docs` is given. Exits with 1 when something did not recover, an event
 * was lost or out of order, the motors ran on, or a process was left. SIGINT and SIGTERM end it after the fault of the moment.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    seed: { type: 'string', default: '1' },
    /** Only the faults whose names hold this. */
    only: { type: 'string', default: '' },
    'no-docs': { type: 'boolean', default: false },
  },
})
const MINUTES = Number(values.minutes)
/** On a machine with other work. */
const START_TIMEOUT_MS = 90_000
/** The robot as it is between faults: long enough that the next fault does not meet the retries of the last. */
const PAUSE_MS = 2_000

const ending = endSignal()
const facts = await observeRun()
const random = seededRandom(Number(values.seed))
const problems: string[] = []
/** Milliseconds of each fault. */
const recoveries = new Map<string, number[]>()
const printed: string[] = []

const disk = mountSmallDisk(mkdtempSync(join(tmpdir(), 'wimz-chaos-')))
if (disk === undefined) print('no right to mount a file system: the disk is never full')
else process.env.TMPDIR = disk
try {
  await run()
} finally {
  delete process.env.TMPDIR
  if (disk !== undefined) {
    unmount(disk)
    rmdirSync(disk)
  }
}
report()

async function run(): Promise<void> {
  const [relayPort = 0] = await freePorts(1)
  await using tap = await openRelayTap(relayPort)
  using clock = openRobotClock()
  if (!clock) print('no libfaketime: the clock is never set')
  const start = clock?.start ?? spawn
  const stack = await startStack(config(tap.url, relayPort), {
    within: START_TIMEOUT_MS,
    start: (program, args, options) => start(...withParent(program, args, 'TERM'), options),
  })
  stack.relayPort = relayPort
  const everPids = new Set<number>()
  const browser = await launchBrowser()
  const events = await publishEvents(stack)
  const commands = await sendCommands(stack)
  try {
    const motors = await watchMotors(stack)
    const page = await openViewer(browser, `http://127.0.0.1:${relayPort}/?latency`, 30_000)
    const rounds = new Rounds(
      { stack, tap, disk, clock },
      { page, motors, commands },
      { random, problems, recoveries, print, only: values.only },
    )
    const end = performance.now() + MINUTES * 60_000
    while (performance.now() < end && !ending.aborted) {
      for (const pid of stack.pids.values()) everPids.add(pid)
      await rounds.next()
      await sleep(PAUSE_MS)
    }
    events.stop()
    problems.push(...(await eventsArrived(events.accepted, tap.events)))
    say(
      `${events.accepted.length} events acknowledged by the bus, ${tap.events.length} at the relay, ${tap.repeated} twice`,
    )
  } finally {
    events.stop()
    commands.stop()
    await browser.close()
    for (const pid of stack.pids.values()) everPids.add(pid)
    await stack[Symbol.asyncDispose]()
  }
  const left = [...everPids].filter(isAlive)
  if (left.length > 0) problems.push(`processes left: ${left.join(', ')}`)
}

/** A camera program that can be killed, and a relay behind the tap. */
function config(relay_url: string, port: number) {
  const [width, height, fps] = [640, 360, 15]
  const input = ['-re', '-f', 'lavfi', '-i', 'testsrc2=size={width}x{height}:rate={fps}']
  const command = ['ffmpeg', '-loglevel', 'error', ...input, '-pix_fmt', 'yuv420p', '-f', 'rawvideo', '-']
  return {
    cloud: { relay_url },
    local_relay: { enabled: true, port },
    vision: { source: { type: 'exec', command, format: 'yuv420p', width, height, fps } },
  }
}

function say(line = ''): void {
  printed.push(line)
  print(line)
}

function report(): void {
  const rows = [...recoveries]
    .map(([fault, times]): ChaosRow => {
      const [median, worst] = [percentile(times, 0.5), percentile(times, 1)]
      return { fault, count: times.length, median, worst }
    })
    .sort((a, b) => a.fault.localeCompare(b.fault))
  say()
  say('| fault | count | median ms | worst ms |')
  say('|---|---:|---:|---:|')
  for (const { fault, count, median, worst } of rows) say(`| ${fault} | ${count} | ${median} | ${worst} |`)
  say()
  if (ending.aborted) problems.push('ended early')
  for (const problem of problems) say(problem)
  say(problems.length === 0 ? 'Passed.' : `${problems.length} problems.`)
  if (problems.length > 0) process.exitCode = 1
  if (values['no-docs'] || values.only !== '' || ending.aborted) return
  const command = `npm run chaos -- --minutes ${MINUTES} --seed ${values.seed}`
  const output = printed.join('\n').trim()
  writeResult({ name: 'chaos', title: 'Chaos', command, ...facts(), exitCode: 0, output, rows })
  writeReport()
}
