/**
 * The whole stack under ordinary use: `npm run soak -- --minutes 60`. Viewers come and go, a service publishes events, an app sends
 * commands, and a subscriber of everything does not read. Every 10 s each process is measured; figures go to `bench/results/` and into
 * docs/performance.md, with `--out` only to that folder. Exits with 1 after a trend, a freeze, a lost event, an error in the log or a
 * restart; SIGINT and SIGTERM end it early.
 */

import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { writeReport } from '#bench/report/document.ts'
import { soakPlot } from '#bench/report/plots.ts'
import { observeRun, RESULTS, writeResult } from '#bench/report/result.ts'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { endProcess } from '#dev/harness/end-process.ts'
import { endSignal } from '#dev/harness/end-signal.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { print } from '#dev/harness/print.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'
import { percentile } from '#dev/harness/statistics.ts'
import { withParent } from '#dev/harness/with-parent.ts'
import { stalledSubscriber } from '#test/chaos/faults.ts'
import { eventsArrived, publishEvents, sendCommands } from '#test/chaos/observers.ts'
import { openRelayTap } from '#test/chaos/relay-tap.ts'
import { without } from '#test/helpers/tools.ts'
import { ProcessSamples, type Sample } from './process-samples.ts'
import { growths } from './verdict.ts'
import { Viewers } from './viewers.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    /** Folder for `soak.csv` and `soak.svg`; the documentation stays as it is. */
    out: { type: 'string' },
    /** Longest interval between two frames of the viewer that stays (ms). */
    'max-gap': { type: 'string', default: '1000' },
  },
})
const MINUTES = Number(values.minutes)
const MAX_GAP_MS = Number(values['max-gap'])
/** On a machine with other work. */
const START_TIMEOUT_MS = 90_000
const INTERVAL_MS = 10_000
const WARM_UP_SECONDS = Math.min(300, (MINUTES * 60) / 4)
/** Between two messages that measure the broker. */
const PASS_INTERVAL_MS = 200
/** A stalled subscriber is replaced after so many samples: the broker has closed it long before. */
const STALLED_SAMPLES = 3

const show = (value: number | null, digits = 1) =>
  value === null || Number.isNaN(value) ? '–' : value.toFixed(digits)
const problems: string[] = []
const gaps: number[] = []
const printed: string[] = []
const ending = endSignal()

const facts = await observeRun()
const samples = await soak()
report(samples)

function say(line = ''): void {
  printed.push(line)
  print(line)
}

async function soak(): Promise<readonly Sample[]> {
  const [relayPort = 0, metricsPort = 0] = await freePorts(2)
  await using tap = await openRelayTap(relayPort)
  const config = {
    cloud: { relay_url: tap.url },
    local_relay: { enabled: true, port: relayPort },
    metrics: { port: metricsPort },
  }
  await using stack = await startStack(config, {
    within: START_TIMEOUT_MS,
    start: (program, args, options) => spawn(...withParent(program, args, 'TERM'), options),
  })
  stack.relayPort = relayPort
  const startedPids = new Map(stack.pids)
  const bus = await stack.join('soak')
  const sampled = await ProcessSamples.open(bus, stack.pids)
  const passed = await passTimes(bus)
  const events = await publishEvents(stack)
  const commands = await sendCommands(stack)
  await using viewers = await Viewers.open(relayPort)
  await using stalled = new AsyncDisposableStack()
  const stall = async () => {
    const reader = await stalledSubscriber(stack)
    stalled.defer(() => endProcess(reader))
    return reader
  }
  let reader = without('mosquitto_sub') ? undefined : await stall()
  if (!reader) print('no mosquitto_sub: no subscriber stalls')
  const pause = () => sleep(INTERVAL_MS, undefined, { signal: ending }).catch(() => undefined)
  await pause() // first metrics, and the climb to the layer that the path carries
  viewers.read()
  print(`${cpus().length} cores, ${MINUTES} minutes, warm-up ${WARM_UP_SECONDS} s`)
  print('| s | load | viewer fps | longest gap ms | command p95 ms | PSS MiB: all | by process |')
  print('|---|---|---|---|---|---|---|')
  const count = Math.ceil((MINUTES * 60_000) / INTERVAL_MS)
  for (let n = 1; n <= count; n++) {
    const row = { fps: 0, gap: 0, command: Number.NaN }
    const start = performance.now()
    const added = await sampled.add(pause, () => {
      const { frames, longestGap } = viewers.read()
      row.fps = (frames * 1000) / (performance.now() - start)
      row.gap = longestGap
      row.command = percentile(commands.roundTrips.splice(0), 0.95)
      return {
        webrtc: { fps: row.fps },
        'relay-bridge': { latency_p95_ms: row.command },
        broker: { latency_p95_ms: percentile(passed.splice(0), 0.95) },
      }
    })
    if (ending.aborted) break
    commands.reopenIfClosed()
    judge(row, n * 10)
    const all = added.reduce((sum, { pss_mib }) => sum + pss_mib, 0)
    const parts = added.map((one) => `${one.process} ${one.pss_mib.toFixed(0)}`).join(', ')
    print(
      `| ${n * 10} | ${show(loadavg()[0] ?? null)} | ${show(row.fps)} | ${show(row.gap, 0)} | ${show(row.command)} | ${show(all, 0)} | ${parts} |`,
    )
    if (reader && n % STALLED_SAMPLES === 0) {
      await endProcess(reader)
      reader = await stall()
    }
  }
  if (ending.aborted) problems.push('ended early')
  events.stop()
  commands.stop()
  problems.push(...(await eventsArrived(events.accepted, tap.events)), ...viewers.problems)
  say(`${events.accepted.length} events, ${viewers.visits} visits of viewers`)
  problems.push(...errorsOf(stack, startedPids))
  return sampled.all
}

/** Times of messages by the broker and back, ms; the reader empties the list. They end with the connection. */
async function passTimes(bus: Bus): Promise<number[]> {
  const passed: number[] = []
  await bus.subscribe(topics.telemetry, (sent) => void passed.push(performance.now() - Number(sent?.at)), {
    source: 'soak',
  })
  const pass = () => bus.publish(topics.telemetry, { at: performance.now() }, { source: 'soak' })
  setInterval(() => pass().catch(() => undefined), PASS_INTERVAL_MS).unref()
  return passed
}

/** Services that were restarted, and errors in the log. */
function errorsOf(stack: Stack, startedPids: ReadonlyMap<string, number>): string[] {
  const restarted = [...stack.pids].filter(([name, pid]) => startedPids.get(name) !== pid)
  const errors = stack.lines.filter(
    ({ level, msg }) => level === 'error' || level === 'fatal' || String(msg).startsWith('unhandled error'),
  )
  return [
    ...restarted.map(([name]) => `${name} was restarted`),
    ...errors.map(({ service, msg, err }) => `log of ${service}: ${msg} ${JSON.stringify(err ?? '')}`),
  ]
}

function judge({ fps, gap, command }: { fps: number; gap: number; command: number }, seconds: number): void {
  gaps.push(gap)
  if (gap > MAX_GAP_MS)
    problems.push(`second ${seconds}: no frame for ${gap.toFixed(0)} ms, ${fps.toFixed(1)} fps`)
  if (Number.isNaN(command)) problems.push(`second ${seconds}: no command was answered`)
}

function report(all: readonly Sample[]): void {
  say()
  say(
    '| process | PSS MiB: first, last | growth after the warm-up: MiB (at least) | descriptors | threads | loop lag p99 |',
  )
  say('|---|---|---|---|---|---|')
  const warm = all.filter(({ seconds }) => seconds > WARM_UP_SECONDS)
  const found = growths(warm)
  for (const name of new Set(all.map((one) => one.process))) {
    const of = warm.filter((one) => one.process === name)
    const growth = (figure: string) => {
      const one = found.find((each) => each.process === name && each.figure === figure)
      return one ? `${show(one.growth)} (${show(one.atLeast)})` : '–'
    }
    const lag = percentile(of.map((one) => one.loop_lag_p99_ms ?? Number.NaN).filter(Number.isFinite), 0.5)
    say(
      `| ${name} | ${show(of[0]?.pss_mib ?? null)}, ${show(of.at(-1)?.pss_mib ?? null)} | ${growth('pss_mib')} | ${growth('descriptors')} | ${growth('threads')} | ${show(lag)} ms |`,
    )
  }
  say()
  say(
    `longest gap between two frames: median of the intervals ${show(percentile(gaps, 0.5), 0)} ms, largest ${show(Math.max(...gaps), 0)} ms`,
  )
  for (const { process: name, figure, atLeast, unit, isTrend } of found) {
    if (isTrend) problems.push(`${name}: ${figure} grew by at least ${atLeast.toFixed(1)} ${unit}`)
  }
  say()
  for (const problem of problems) say(problem)
  say(problems.length === 0 ? 'Passed.' : `${problems.length} problems.`)
  process.exitCode = problems.length === 0 ? 0 : 1
  keep(csv(all))
}

/** In the folder that was asked for, or as the last soak of the documentation: a failed one as well, with its problems. */
function keep(text: string): void {
  if (ending.aborted && values.out === undefined) return
  const folder = values.out ?? RESULTS
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'soak.csv'), text)
  if (values.out !== undefined) {
    writeFileSync(join(folder, 'soak.svg'), soakPlot(text))
    return
  }
  const command = `npm run soak -- --minutes ${MINUTES}`
  writeResult({
    name: 'soak',
    title: 'Soak',
    command,
    ...facts(),
    exitCode: 0,
    output: printed.join('\n').trim(),
  })
  writeReport()
}

function csv(all: readonly Sample[]): string {
  const [first] = all
  const keys = Object.keys(first ?? {}) as (keyof Sample)[]
  const cell = (value: string | number | null) =>
    typeof value === 'number' ? String(+value.toFixed(2)) : (value ?? '')
  return `${[keys.join(','), ...all.map((sample) => keys.map((key) => cell(sample[key])).join(','))].join('\n')}\n`
}
