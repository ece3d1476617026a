import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { PROJECT_ROOT } from '#lib/version.ts'

/**
 * Runs test files, those of one folder in one process: loading the modules costs more CPU time than most tests.
 * Usage: `node test/run.ts [--at-once 4] [--alone] [--exclude <glob>] <glob>…`
 */

/** Folders that take longest start first, so that none is left alone at the end. */
const LONGEST = [
  'test/webrtc/session',
  'test/webrtc/ice',
  'test/webrtc/video',
  'test/relay-bridge/connection',
]

const GROUP_DEADLINE_MS = 10 * 60_000

interface Result {
  group: string
  isOk: boolean
  output: string
  seconds: number
  counts: Record<string, number>
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Processes at a time. */
    'at-once': { type: 'string', default: '4' },
    /** A process per file. */
    alone: { type: 'boolean', default: false },
    exclude: { type: 'string', multiple: true, default: [] },
  },
})
const files = globSync(positionals, { cwd: PROJECT_ROOT, exclude: values.exclude }).sort()
const groups = Map.groupBy(files, (file) => (values.alone ? file : dirname(file)))
const queue = [...groups.keys()].sort((a, b) => rank(a) - rank(b))
const results: Result[] = []
const start = performance.now()
await Promise.all(Array.from({ length: Number(values['at-once']) }, work))
report()

/** Place in the order of starts. */
function rank(group: string): number {
  const place = LONGEST.indexOf(group)
  return place < 0 ? LONGEST.length : place
}

async function work(): Promise<void> {
  for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
    const result = await runGroup(group, groups.get(group) ?? [])
    results.push(result)
    process.stdout.write(
      `${result.output}\n${result.isOk ? '✔' : '✖'} ${group} (${result.seconds.toFixed(1)} s)\n\n`,
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
    timeout: GROUP_DEADLINE_MS,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  child.on('close', (code, signal) => {
    const seconds = (performance.now() - begin) / 1000
    const counts = Object.fromEntries(
      [...output.matchAll(/^ℹ (tests|pass|fail|cancelled|skipped|todo) (\d+)$/gm)].map(([, key, count]) => [
        key,
        Number(count),
      ]),
    )
    if (signal) output += `\nended by ${signal} after ${seconds.toFixed(0)} s\n`
    resolve({ group, isOk: code === 0 && Number(counts.tests) > 0, output, seconds, counts })
  })
  return promise
}

/** Prints what all groups counted, and the output of those that failed once more. */
function report(): void {
  const failed = results.filter(({ isOk }) => !isOk)
  for (const { group, output } of failed)
    process.stdout.write(`✖ ${group}\n${output.slice(output.indexOf('✖'))}\n`)
  const sum = (key: string) => results.reduce((total, { counts }) => total + (counts[key] ?? 0), 0)
  for (const key of ['tests', 'pass', 'fail', 'cancelled', 'skipped', 'todo'])
    process.stdout.write(`ℹ ${key} ${sum(key)}\n`)
  process.stdout.write(`ℹ ${groups.size} processes, ${((performance.now() - start) / 1000).toFixed(1)} s\n`)
  if (failed.length > 0) process.stdout.write(`failed: ${failed.map(({ group }) => group).join(', ')}\n`)
  if (failed.length > 0 || files.length === 0) process.exitCode = 1
}
