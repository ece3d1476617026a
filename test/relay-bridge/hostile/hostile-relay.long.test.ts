import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { endProcess } from '#dev/harness/end-process.ts'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { rssOf } from '#test/broker/broker-process.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { rounds } from '#test/helpers/volume.ts'
import { peakMemory, startBridgeProcess } from '../bridge-process.ts'
import { ALL, QUICK, startHostileRelay } from './hostile-relay.ts'

const MINUTES = rounds({ merge: 1, night: 12 })
const SEED = Number(process.env.WIMZ_TEST_SEED ?? 20_261_128)
const EVENTS_INTERVAL_MS = 200
/** The goal for every relay that returns. */
const USEFUL_MS = 40_000
/** As in protocol/memory.long.test.ts under frames that are read, and published: here of 1 MiB. The goal without them is 200. */
const MAX_PEAK_MIB = 215
const LINES_PER_MINUTE = 300

interface Watched {
  name: string
  child: ChildProcess
  descriptors: number
  rss: number
}

function descriptorsOf({ pid }: ChildProcess): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

function startWebrtc(t: TestContext, config: string): ChildProcess {
  const args = ['services/webrtc/main.ts', '--config', config]
  const env = { ...process.env, RELAY_URL: '', LOG_LEVEL: 'warn', MALLOC_ARENA_MAX: '2' }
  const child = spawn(process.execPath, args, {
    cwd: PROJECT_ROOT,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  closeAfter(t, () => endProcess(child, 'SIGTERM'))
  return child
}

/** Publishes numbered events until it is stopped; returns how many the broker has taken. */
function publishEvents(bus: Bus): () => Promise<number> {
  const ending = new AbortController()
  const done = (async () => {
    for (let n = 0; ; n++) {
      if (ending.signal.aborted) return n
      await bus.publish(topics.event, { n }, { name: 'treat_dispensed' })
      await sleep(EVENTS_INTERVAL_MS)
    }
  })()
  done.catch(() => {}) // when the test has failed
  return () => {
    ending.abort()
    return done
  }
}

test(`${MINUTES} min of a hostile relay: bounded memory, descriptors and log, no event lost, no move`, {
  timeout: (MINUTES + 6) * 60_000,
}, async (t) => {
  // in the night's run what is read slowly is so for minutes
  const span = (random: () => number, name: string) =>
    MINUTES > 1 ? (/read|second/.test(name) ? 60_000 : 1_000 + random() * 12_000) : 1_000 + random() * 1_500
  const attacks = MINUTES > 1 ? ALL : QUICK
  const relay = await startHostileRelay(t, { seed: SEED, attacks, span })
  const { robot, bridge, broker, config } = await startBridgeProcess(t, relay, {})
  const webrtc = startWebrtc(t, config)
  // until then no session keeps its events
  const isStarted = () => bridge.lines.some((line) => line.includes('"msg":"started"'))
  await until(isStarted, { deadline: 120_000, every: 100, show: () => bridge.lines.slice(-5) })
  const moves: unknown[] = []
  await robot.subscribe(topics.command, (command) => void moves.push(command), { name: 'motor' })
  const stop = publishEvents(robot)
  await sleep(5_000)
  const children: [string, ChildProcess | undefined][] = [
    ['bridge', bridge.child],
    ['webrtc', webrtc],
    ['broker', broker],
  ]
  const watched: Watched[] = children.flatMap(([name, child]) =>
    child ? [{ name, child, descriptors: descriptorsOf(child), rss: rssOf(child.pid ?? 0) }] : [],
  )
  const deadline = performance.now() + MINUTES * 60_000
  // the short run ends with the last attack, the long one with the time
  await until(() => performance.now() > deadline && attacks.every((name) => relay.made.has(name)), {
    deadline: (MINUTES + 2) * 60_000,
    every: 250,
    show: () => ({ made: relay.made, log: bridge.lines.slice(-10) }),
  })
  relay.reform()
  const reformed = performance.now()
  await until(() => relay.isUseful, {
    deadline: 2 * USEFUL_MS,
    every: 50,
    show: () => bridge.lines.slice(-10),
  })
  const useful = performance.now() - reformed
  const published = await stop()
  const arrived = () => new Set(relay.events).size
  const missing = () => {
    const came = new Set(relay.events)
    return Array.from({ length: published }, (_, n) => n).filter((n) => !came.has(n))
  }
  await until(() => arrived() >= published, {
    deadline: 60_000,
    every: 100,
    show: () => ({
      missing: missing().slice(0, 20),
      arrived: arrived(),
      published,
      log: bridge.lines.slice(-20),
    }),
  })
  const first = [...new Set(relay.events)]
  const figures = watched.map(({ name, child, descriptors, rss }) => ({
    name,
    rss: `${rss.toFixed(0)} to ${rssOf(child.pid ?? 0).toFixed(0)}`,
    peak: Math.round(peakMemory({ child, lines: [] })),
    descriptors: `${descriptors} to ${descriptorsOf(child)}`,
    more: descriptorsOf(child) - descriptors,
  }))
  t.diagnostic(
    `seed ${SEED}, ${[...relay.made.values()].reduce((a, b) => a + b)} connections; useful after ${(useful / 1_000).toFixed(1)} s; ` +
      `${published} events; ${bridge.lines.length} log lines; ${JSON.stringify(figures)}`,
  )
  assert.deepEqual(
    first,
    Array.from({ length: published }, (_, n) => n),
  )
  assert.ok(useful <= USEFUL_MS, `useful after ${useful} ms`)
  for (const { name, more } of figures) assert.ok(more <= 10, `${name}: ${more} more descriptors`)
  assert.ok(peakMemory(bridge) <= MAX_PEAK_MIB, `peak ${peakMemory(bridge)} MiB`)
  assert.ok(bridge.lines.length <= MINUTES * LINES_PER_MINUTE, `${bridge.lines.length} log lines`)
  assert.deepEqual(
    moves.filter((move) => !isZero(move)),
    [],
  )
  assert.ok(
    !bridge.lines.some((line) => /^unforeseen|"level":"(error|fatal)"/.test(line)),
    bridge.lines.join('\n'),
  )
})

function isZero(move: unknown): boolean {
  const { params = {} } = move as { params?: { left?: unknown; right?: unknown } }
  return params.left === 0 && params.right === 0
}
