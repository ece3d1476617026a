/**
 * What a benchmark leaves in `bench/results/<name>.json`: the tables that it printed, and the machine, commit and load that they
 * are from. `npm run soak` and `npm run chaos` leave theirs there as well; the report reads nothing else.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PROJECT_ROOT } from '#lib/version.ts'

export const RESULTS = join(PROJECT_ROOT, 'bench/results')
/** CPU that others take before the run, in percent of one core, from which on a row is marked. */
const FOREIGN_PERCENT = 15
const QUIET_MS = 2_000

/** What the figures are from. */
export interface RunFacts {
  /** CPU, cores and Node; no name of the machine. */
  machine: string
  commit: string
  /** ISO 8601. */
  at: string
  /** Load averages of a minute before and after, and CPU that others took just before (% of one core). */
  load: { before: number; after: number; foreignPercent: number }
  isForeign: boolean
  seconds: number
}

export interface Result<Row = object> extends RunFacts {
  name: string
  title: string
  command: string
  exitCode: number | null
  /** Markdown, as printed. */
  output: string
  /** The figures of the plots. */
  rows?: readonly Row[]
  /** Why it did not run here. */
  skipped?: string
}

/** Call it before the run; it takes two seconds. The function that it resolves with returns the facts at the end of the run. */
export async function observeRun(): Promise<() => RunFacts> {
  const foreignPercent = await foreignCpu()
  const before = loadavg()[0] ?? Number.NaN
  const [at, start] = [new Date().toISOString(), performance.now()]
  return () => ({
    machine: `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}`,
    commit: commitOf(),
    at,
    load: { before, after: loadavg()[0] ?? Number.NaN, foreignPercent },
    isForeign: foreignPercent > FOREIGN_PERCENT,
    seconds: Math.round((performance.now() - start) / 1000),
  })
}

function commitOf(): string {
  try {
    const args = ['rev-parse', '--short', 'HEAD']
    return execFileSync('git', args, { cwd: PROJECT_ROOT, encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return 'unknown' // a release without its history
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

export function writeResult(result: Result): void {
  mkdirSync(RESULTS, { recursive: true })
  writeFileSync(join(RESULTS, `${result.name}.json`), `${JSON.stringify(result, undefined, 2)}\n`)
}

/** The last one of this name that has figures, a target that it missed or not; undefined: there is none. */
export function readResult<Row = object>(name: string): Result<Row> | undefined {
  const path = join(RESULTS, `${name}.json`)
  if (!existsSync(path)) return undefined
  const result: Result<Row> = JSON.parse(readFileSync(path, 'utf8'))
  return result.output === '' ? undefined : result
}
