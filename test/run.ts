import { type ChildProcess, spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { PROJECT_ROOT } from '#lib/version.ts'

/**
 * Runs test files, several in one process: loading the modules costs more CPU time than most tests.
 * Usage: `node test/run.ts [--at-once 4] [--alone] [--deadline 600] [--exclude <glob>] <glob>…`
 *
 * Tests of the whole stack mostly wait for its processes, so they run beside the others, {@link WHOLE_AT_ONCE} at a time.
 */

/** Folders that take longest start first, so that none is left alone at the end. */
const LONGEST = [
  'test/webrtc/session',
  'test/webrtc/ice',
  'test/webrtc/video',
  'test/relay-bridge/connection',
  'test/doctor',
  'test/e2e/shared-stack',
  'test/dev/page/page.test.ts',
]

/** Folders whose tests start a whole stack or a browser: each file has a process of its own. */
const WHOLE = ['test/e2e/', 'test/dev/']
const WHOLE_AT_ONCE = 2

/** Folders whose files always share one process, as they share a stack. */
const ONE_STACK = ['test/e2e/shared-stack']

/** Folders that have a process of their own; all others of an area, such as test/vision, share one. */
const OWN_PROCESS = [
  ...LONGEST,
  'test/webrtc/control',
  'test/relay-bridge/app-state',
  'test/relay-bridge/commands',
  'test/relay-bridge/outbox',
  'test/relay-bridge/protocol',
  'test/vision/camera',
  'test/vision/camera/sources',
  'test/vision/commands',
  'test/vision/detect',
  'test/vision/encode',
  'test/vision/track',
  'test/broker/auth',
]

/** The unit of CPU times in /proc. */
const CLOCK_TICKS_PER_SECOND = 100

interface Result {
  group: string
  isOk: boolean
  output: string
  seconds: number
  cpuSeconds: number
  counts: Record<string, number>
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Processes at a time. */
    'at-once': { type: 'string', default: '4' },
    /** A process per file. */
    alone: { type: 'boolean', default: false },
    /** Seconds until a process and all that it started are killed, which is a failure. */
    deadline: { type: 'string', default: '600' },
    exclude: { type: 'string', multiple: true, default: [] },
  },
})
const files = globSync(positionals, { cwd: PROJECT_ROOT, exclude: values.exclude }).sort()
const groups = Map.groupBy(files, groupOf)
const queue = [...groups.keys()].sort((a, b) => rank(a) - rank(b))
const wholeQueue = queue.filter(isWhole)
const partsQueue = queue.filter((group) => !isWhole(group))
const results: Result[] = []
let countedCpuSeconds = 0
const running = new Set<ChildProcess>()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    for (const child of running) killGroup(child)
    process.exit(1)
  })
const start = performance.now()
await Promise.all(Array.from({ length: Number(values['at-once']) }, (_, i) => work(i)))
report()

/** The files of one group run in one process. */
function groupOf(file: string): string {
  const folder = dirname(file)
  if (ONE_STACK.includes(folder)) return folder
  if (values.alone || isWhole(file)) return file
  return OWN_PROCESS.includes(folder) ? folder : folder.split('/').slice(0, 2).join('/')
}

function isWhole(group: string): boolean {
  return WHOLE.some((folder) => group.startsWith(folder))
}

/** Place in the order of starts. */
function rank(group: string): number {
  const place = LONGEST.indexOf(group)
  return place < 0 ? LONGEST.length : place
}

/** Runs groups until there are no more: the first workers take the whole stacks first, the others nothing but parts. */
async function work(worker: number): Promise<void> {
  const queues = worker < WHOLE_AT_ONCE ? [wholeQueue, partsQueue] : [partsQueue]
  const next = () => queues.find((queue) => queue.length > 0)?.shift()
  for (let group = next(); group !== undefined; group = next()) {
    const result = await runGroup(group, groups.get(group) ?? [])
    results.push(result)
    process.stdout.write(
      `${result.output}\n${result.isOk ? '✔' : '✖'} ${group} (${result.seconds.toFixed(1)} s, ${result.cpuSeconds.toFixed(1)} s of CPU time)\n\n`,
    )
  }
}

function runGroup(group: string, paths: string[]): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>()
  const begin = performance.now()
  const args = ['--test', '--test-isolation=none', '--test-reporter=spec', ...paths]
  const cache = process.env.NODE_COMPILE_CACHE ?? join(PROJECT_ROOT, 'node_modules/.cache/compile')
  const child = spawn(process.execPath, args, {
    cwd: PROJECT_ROOT,
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
    stdio: ['ignore', 'pipe', 'pipe'],
    // a process group of its own: what a test left running ends with it
    detached: true,
  })
  running.add(child)
  const timer = setTimeout(() => killGroup(child), Number(values.deadline) * 1000)
  let cpuSeconds = 0
  child.once('exit', () => {
    cpuSeconds = takeChildCpuSeconds()
    clearTimeout(timer)
    killGroup(child)
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  child.on('close', (code, signal) => {
    running.delete(child)
    const seconds = (performance.now() - begin) / 1000
    const counts = Object.fromEntries(
      [...output.matchAll(/^ℹ (tests|pass|fail|cancelled|skipped|todo) (\d+)$/gm)].map(([, key, count]) => [
        key,
        Number(count),
      ]),
    )
    if (signal) output += `\nended by ${signal} after ${seconds.toFixed(0)} s\n`
    resolve({ group, isOk: code === 0 && Number(counts.tests) > 0, output, seconds, cpuSeconds, counts })
  })
  return promise
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // no process of the group runs any more
  }
}

/** CPU time of the process that just ended and of its own children: what the kernel has added since the last call. */
function takeChildCpuSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? []
  const total = (Number(fields[13]) + Number(fields[14])) / CLOCK_TICKS_PER_SECOND
  const seconds = total - countedCpuSeconds
  countedCpuSeconds = total
  return seconds
}

/** Prints what all groups counted, and the output of those that failed once more. */
function report(): void {
  const failed = results.filter(({ isOk }) => !isOk)
  for (const { group, output } of failed)
    process.stdout.write(`✖ ${group}\n${output.slice(output.indexOf('✖'))}\n`)
  const sum = (key: string) => results.reduce((total, { counts }) => total + (counts[key] ?? 0), 0)
  for (const key of ['tests', 'pass', 'fail', 'cancelled', 'skipped', 'todo'])
    process.stdout.write(`ℹ ${key} ${sum(key)}\n`)
  process.stdout.write(
    `ℹ ${groups.size} processes, ${((performance.now() - start) / 1000).toFixed(1)} s, ${countedCpuSeconds.toFixed(1)} s of CPU time\n`,
  )
  if (failed.length > 0) process.stdout.write(`failed: ${failed.map(({ group }) => group).join(', ')}\n`)
  if (failed.length > 0 || files.length === 0) process.exitCode = 1
}
