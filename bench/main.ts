/**
 * `npm run bench`: runs the benchmarks one after the other, within ten minutes, writes `bench/results/<name>.json`, and renders them
 * into docs/performance.md and an SVG plot. `--only viewers,broker` runs some, `--peers` also go2rtc and MediaMTX where they are on
 * the PATH, `--no-docs` leaves the documentation as it is. A row under foreign load is marked.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { svgPlot } from '#dev/harness/svg-plot.ts'
import { PROJECT_ROOT } from '#lib/version.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    peers: { type: 'boolean', default: false },
    'no-docs': { type: 'boolean', default: false },
  },
})
const RESULTS = join(PROJECT_ROOT, 'bench/results')
const DOCUMENT = join(PROJECT_ROOT, 'docs/performance.md')
const MARKERS = ['<!-- bench results -->', '<!-- end of bench results -->'] as const
/** Longest run of one benchmark. */
const TIMEOUT_MS = 240_000
/** CPU that others take before the run, in percent of one core, from which on a row is marked. */
const FOREIGN_PERCENT = 15
const QUIET_MS = 2_000

interface Result {
  name: string
  title: string
  command: string
  machine: string
  commit: string
  at: string
  /** Load averages of a minute before and after, and CPU that others took just before (% of one core). */
  load: { before: number; after: number; foreignPercent: number }
  isForeign: boolean
  seconds: number
  exitCode: number | null
  /** Markdown, as printed. */
  output: string
  rows?: { server: string; viewers: number; cpu: number }[]
}

const viewersJson = join(RESULTS, 'viewers-rows.json')
const BENCHMARKS: readonly (Pick<Result, 'name' | 'title'> & { args: readonly string[]; json?: string })[] = [
  { name: 'start', title: 'Start', args: ['bench/start.ts', '3'] },
  { name: 'video', title: 'Video in Chromium', args: ['bench/measure.ts'] },
  {
    name: 'viewers',
    title: 'Viewers',
    args: [
      'bench/viewers/main.ts',
      '--viewers',
      '1,4,16,64',
      '--seconds',
      '4',
      '--peers',
      '--json',
      viewersJson,
    ],
    json: viewersJson,
  },
  { name: 'encoder', title: 'Encoder', args: ['bench/encoder.ts', 'detector and overlay off'] },
  { name: 'overload', title: 'Overload', args: ['bench/overload.ts', '--seconds', '15'] },
  { name: 'broker', title: 'Bus', args: ['bench/broker.ts'] },
]

mkdirSync(RESULTS, { recursive: true })
const wanted = values.only === '' ? [] : values.only.split(',')
for (const benchmark of BENCHMARKS) {
  if (wanted.length > 0 && !wanted.includes(benchmark.name)) continue
  const result = await run(benchmark)
  writeFileSync(join(RESULTS, `${result.name}.json`), `${JSON.stringify(result, undefined, 2)}\n`)
  process.stdout.write(`${render(result)}\n`)
  if (result.exitCode !== 0) process.exitCode = 1
}
if (!values['no-docs']) writeDocument(readResults().filter(({ exitCode }) => exitCode === 0))

async function run({ name, title, args, json }: (typeof BENCHMARKS)[number]): Promise<Result> {
  const foreignPercent = await foreignCpu()
  const before = loadavg()[0] ?? Number.NaN
  const start = performance.now()
  const isWithPeers = values.peers || !args.includes('--peers')
  const given = isWithPeers ? args : args.filter((arg) => arg !== '--peers')
  const child = spawn(process.execPath, given, { cwd: PROJECT_ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  const timer = setTimeout(() => child.kill('SIGTERM'), TIMEOUT_MS)
  const exited = once(child, 'exit')
  const output = await text(child.stdout)
  const [exitCode] = await exited
  clearTimeout(timer)
  return {
    name,
    title,
    command: `node ${given.filter((arg) => arg !== '--json' && arg !== json).join(' ')}`,
    machine: `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}`,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: PROJECT_ROOT,
      encoding: 'utf8',
    }).trim(),
    at: new Date().toISOString(),
    load: { before, after: loadavg()[0] ?? Number.NaN, foreignPercent },
    isForeign: foreignPercent > FOREIGN_PERCENT,
    seconds: Math.round((performance.now() - start) / 1000),
    exitCode,
    output: output.trim(),
    ...(json && exitCode === 0 ? { rows: JSON.parse(readFileSync(json, 'utf8')) } : {}),
  }
}

/** CPU that the machine spends while none of ours runs, in percent of one core. proc(5), /proc/stat. */
async function foreignCpu(): Promise<number> {
  const read = () => {
    const [, ...ticks] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/).map(Number)
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = ticks
    return user + nice + system + irq + softirq
  }
  const [before, start] = [read(), performance.now()]
  await sleep(QUIET_MS)
  // 100 ticks a second: one tick in a second is one percent
  return (read() - before) / ((performance.now() - start) / 1000)
}

function readResults(): Result[] {
  const files = readdirSync(RESULTS)
  const names = BENCHMARKS.map(({ name }) => name).filter((name) => files.includes(`${name}.json`))
  return names.map((name) => JSON.parse(readFileSync(join(RESULTS, `${name}.json`), 'utf8')))
}

function render({ title, command, machine, commit, at, load, isForeign, exitCode, output }: Result): string {
  const mark = isForeign
    ? `**Under foreign load** (${load.foreignPercent.toFixed(0)} % of a core before it). `
    : ''
  const failed = exitCode === 0 ? '' : `Ended with ${exitCode}. `
  const facts = `\`${command}\` at ${commit}, ${at.slice(0, 10)}; load ${load.before.toFixed(1)} → ${load.after.toFixed(1)}.`
  // a table needs a heading; what is none stays as it was printed
  const shown = output.includes('|---') ? output : `\`\`\`text\n${output}\n\`\`\``
  return `### ${title}\n\n${mark}${failed}${facts} ${machine}.\n\n${shown}\n`
}

function writeDocument(results: readonly Result[]): void {
  const document = readFileSync(DOCUMENT, 'utf8')
  const [start, end] = [document.indexOf(MARKERS[0]), document.indexOf(MARKERS[1])]
  if (start < 0 || end < start)
    throw new Error(`${DOCUMENT}: the markers ${MARKERS.join(' and ')} are missing`)
  const rows = results.find(({ name }) => name === 'viewers')?.rows ?? []
  if (rows.length > 0) writeFileSync(join(RESULTS, 'viewers.svg'), plot(rows))
  const image = rows.length > 0 ? '\n![CPU by number of viewers](../bench/results/viewers.svg)\n' : ''
  const body = `${MARKERS[0]}\n\n${results.map(render).join('\n')}${image}\n`
  writeFileSync(DOCUMENT, document.slice(0, start) + body + document.slice(end))
}

function plot(rows: NonNullable<Result['rows']>): string {
  const lines = [...Map.groupBy(rows, ({ server }) => server)].map(([name, of]) => ({
    name,
    points: of.map(({ viewers, cpu }) => [viewers, cpu] as const),
  }))
  return svgPlot([{ title: 'CPU of the server, % of one core', x: 'viewers', lines }])
}
