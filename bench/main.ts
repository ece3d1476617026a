/**
 * `npm run bench`: runs the benchmarks one after the other, within ten minutes, writes `bench/results/<name>.json`, and renders them
 * into docs/performance.md and `docs/plots/`. `--only viewers,broker` runs some, `--peers` also go2rtc and MediaMTX where they are on
 * the PATH, `--no-docs` leaves the documentation as it is. What this machine lacks the programs for is skipped, with the reason; a
 * row under foreign load is marked.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { print } from '#dev/harness/print.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { writeReport } from './report/document.ts'
import { observeRun, type Result, writeResult } from './report/result.ts'
import { section } from './report/section.ts'
import { RECEIVER } from './viewers/go-tool.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    peers: { type: 'boolean', default: false },
    'no-docs': { type: 'boolean', default: false },
  },
})
/** Longest run of one benchmark. */
const TIMEOUT_MS = 300_000

interface Benchmark extends Pick<Result, 'name' | 'title'> {
  args: readonly string[]
  /** Writes the figures of its plots to the file that `--json` names. */
  hasRows?: boolean
  /** Programs that it cannot do without. */
  needs?: readonly Program[]
  /** Runs when `--only` names it, as the ten minutes have no room for it. */
  onRequest?: boolean
}

/** Programs, and how to get them. */
const PROGRAMS = {
  ffmpeg: 'apt-get install ffmpeg',
  chromium: 'apt-get install chromium',
  receiver: 'npm run bench:build, which needs Go (apt-get install golang)',
} as const
type Program = keyof typeof PROGRAMS

const BENCHMARKS: readonly Benchmark[] = [
  { name: 'machine', title: 'This machine', args: ['bench/machine.ts'], hasRows: true },
  { name: 'start', title: 'Start', args: ['bench/start.ts', '3'] },
  { name: 'video', title: 'Video in Chromium', args: ['bench/measure.ts'], needs: ['chromium'] },
  {
    name: 'viewers',
    title: 'Viewers',
    args: ['bench/viewers/main.ts', '--viewers', '1,4,16,64', '--seconds', '4', '--peers'],
    hasRows: true,
    needs: ['receiver', 'ffmpeg'],
  },
  {
    name: 'encoder',
    title: 'Encoder',
    args: ['bench/encoder.ts', 'detector and overlay off'],
    needs: ['ffmpeg'],
  },
  {
    name: 'overload',
    title: 'Overload',
    args: ['bench/overload.ts', '--seconds', '15'],
    needs: ['receiver'],
  },
  { name: 'broker', title: 'Bus', args: ['bench/broker.ts'] },
  {
    name: 'growth',
    title: 'How cost grows',
    args: ['bench/growth/main.ts'],
    hasRows: true,
    needs: ['ffmpeg'],
    onRequest: true,
  },
]

const wanted = values.only === '' ? [] : values.only.split(',')
const unknown = wanted.filter((name) => !BENCHMARKS.some((one) => one.name === name))
if (unknown.length > 0)
  throw new Error(`--only: ${unknown}: expected ${BENCHMARKS.map(({ name }) => name).join(', ')}`)
for (const benchmark of BENCHMARKS) {
  const isWanted = wanted.length > 0 ? wanted.includes(benchmark.name) : !benchmark.onRequest
  if (!isWanted) continue
  const result = await run(benchmark)
  // a result of before is better than none
  if (result.skipped === undefined) writeResult(result)
  print(section(result, 2))
  if (result.exitCode !== 0) process.exitCode = 1
}
if (!values['no-docs']) writeReport()

async function run({ name, title, args, hasRows, needs = [] }: Benchmark): Promise<Result> {
  const given = args.filter((arg) => values.peers || arg !== '--peers')
  const command = `node ${given.join(' ')}`
  const missing = needs.filter((program) => !has(program))
  const facts = await observeRun()
  if (missing.length > 0) {
    const skipped = missing.map((program) => `needs ${program}: ${PROGRAMS[program]}`).join('; ')
    return { name, title, command, ...facts(), exitCode: 0, output: '', skipped }
  }
  const folder = mkdtempSync(join(tmpdir(), 'wimz-bench-'))
  try {
    const json = join(folder, 'rows.json')
    const all = hasRows ? [...given, '--json', json] : given
    const child = spawn(process.execPath, all, { cwd: PROJECT_ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
    const timer = setTimeout(() => child.kill('SIGTERM'), TIMEOUT_MS)
    const exited = once(child, 'exit')
    const output = (await text(child.stdout)).trim()
    const [exitCode] = await exited
    clearTimeout(timer)
    const rows = existsSync(json) ? { rows: JSON.parse(readFileSync(json, 'utf8')) } : {}
    return { name, title, command, ...facts(), exitCode, output, ...rows }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function has(program: Program): boolean {
  if (program === 'receiver') return existsSync(RECEIVER)
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
