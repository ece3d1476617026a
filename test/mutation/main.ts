import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PROJECT_ROOT } from '#lib/version.ts'
import { type Fault, faultsOf } from './operators.ts'
import { ACCEPTED, DECIDED, TARGETS } from './targets.ts'

/** A test run that takes this long is stopped: a fault that makes the tests hang is caught. */
const TIMEOUT_MS = 120_000
const GOAL = 0.9

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: String(Math.max(1, cpus().length)) },
    /** At most this many generated faults per file, spread over the file. */
    most: { type: 'string', default: 'Infinity' },
    /** Writes the table into docs/testing.md. */
    write: { type: 'boolean', default: false },
    /** Prints the faults without a test run. */
    list: { type: 'boolean', default: false },
  },
})

interface Job {
  file: string
  tests: readonly string[]
  fault: Fault
  decided: boolean
}

interface Score {
  total: number
  survivors: Job[]
}

const stillUsed = new Set<string>()
const jobs = TARGETS.filter(({ file }) => isAsked(file)).flatMap(jobsOf)
if (jobs.length === 0) throw new Error(`no file of test/mutation/targets.ts matches ${positionals.join(' ')}`)
if (positionals.length === 0) for (const one of ACCEPTED) if (!stillUsed.has(keyOf(one))) unmatched(one)
if (values.list) {
  for (const { file, fault } of jobs) process.stdout.write(`${describe(file, fault)}\n`)
  process.stdout.write(`${jobs.length} faults\n`)
} else {
  await run()
}

function isAsked(file: string): boolean {
  return positionals.length === 0 || positionals.some((part) => file.includes(part))
}

function jobsOf({ file, tests }: (typeof TARGETS)[number]): Job[] {
  for (const path of [file, ...tests])
    if (!existsSync(join(PROJECT_ROOT, path))) throw new Error(`test/mutation/targets.ts: no file ${path}`)
  const source = readFileSync(join(PROJECT_ROOT, file), 'utf8')
  const made = faultsOf(source).filter((fault) => !isAccepted(file, fault))
  const step = Math.max(1, made.length / Number(values.most))
  const spread = made.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step))
  const decided = DECIDED.filter((one) => one.file === file).map((one) => placeOf(source, one))
  return [
    ...decided.map((fault) => ({ file, tests, fault, decided: true })),
    ...spread.map((fault) => ({ file, tests, fault, decided: false })),
  ]
}

/** A decided fault must match once: it names the code that it breaks, so it follows changes of that code. */
function placeOf(source: string, { file, find, replace }: (typeof DECIDED)[number]): Fault {
  const at = source.indexOf(find)
  if (at < 0 || source.indexOf(find, at + 1) >= 0)
    throw new Error(`test/mutation/targets.ts: not exactly once in ${file}: ${find}`)
  const line = source.slice(0, at).split('\n').length
  return { at, find, replace, line, text: find }
}

function keyOf({ file, text, replace }: { file: string; text: string; replace: string }): string {
  return `${file}\0${text}\0${replace}`
}

function isAccepted(file: string, { text, replace }: Fault): boolean {
  const key = keyOf({ file, text, replace })
  if (!ACCEPTED.some((one) => keyOf(one) === key)) return false
  stillUsed.add(key)
  return true
}

function unmatched({ file, text }: (typeof ACCEPTED)[number]): never {
  throw new Error(`test/mutation/targets.ts: an accepted fault no longer matches, in ${file}: ${text}`)
}

async function run(): Promise<void> {
  const lanes = Array.from({ length: Number(values.jobs) }, openScratch)
  const scores = new Map<string, Score>(TARGETS.map(({ file }) => [file, { total: 0, survivors: [] }]))
  try {
    const [first] = lanes
    const baseline = new Map(jobs.map(({ tests }) => [tests.join(' '), tests]))
    for (const [name, tests] of baseline)
      if (first && !(await passes(first, tests))) throw new Error(`fails without a fault: ${name}`)
    const queue = jobs.values()
    await Promise.all(
      lanes.map(async (folder) => {
        for (const job of queue) record(scores, job, await survives(folder, job))
      }),
    )
  } finally {
    for (const folder of lanes) rmSync(folder, { recursive: true, force: true })
  }
  report(scores)
}

/** A copy of the tracked files, in which faults can be made. */
function openScratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wimz-mutation-'))
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: PROJECT_ROOT,
    encoding: 'utf8',
  })
  for (const file of files.split('\0').filter(Boolean))
    if (existsSync(join(PROJECT_ROOT, file)))
      cpSync(join(PROJECT_ROOT, file), join(folder, file), { recursive: true })
  symlinkSync(join(PROJECT_ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

async function survives(folder: string, { file, tests, fault }: Job): Promise<boolean> {
  const path = join(folder, file)
  const source = readFileSync(path, 'utf8')
  writeFileSync(path, source.slice(0, fault.at) + fault.replace + source.slice(fault.at + fault.find.length))
  try {
    return await passes(folder, tests)
  } finally {
    writeFileSync(path, source)
  }
}

async function passes(folder: string, tests: readonly string[]): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const args = ['--test', '--test-concurrency=2', '--test-force-exit', ...tests]
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: 'ignore', detached: true })
  const timer = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), TIMEOUT_MS)
  child.once('exit', (code) => resolve(code === 0))
  return await promise.finally(() => clearTimeout(timer))
}

function record(scores: ReadonlyMap<string, Score>, job: Job, survived: boolean): void {
  const score = scores.get(job.file)
  if (!score) return
  score.total++
  if (!survived) return
  score.survivors.push(job)
  process.stdout.write(`survived: ${describe(job.file, job.fault)}\n`)
}

function describe(file: string, { line, text, find, replace }: Fault): string {
  return `${file}:${line}: ${text}    [${find} → ${replace || 'nothing'}]`
}

function report(scores: ReadonlyMap<string, Score>): void {
  const run = [...scores].filter(([, { total }]) => total > 0)
  const sum = (pick: (score: Score) => number) => run.reduce((all, [, score]) => all + pick(score), 0)
  const total = sum((score) => score.total)
  const caught = total - sum(({ survivors }) => survivors.length)
  const row = (name: string, of: number, all: number) =>
    `| ${name} | ${all} | ${of} | ${Math.round((of / all) * 100)} % |`
  const table = [
    '| file | faults | caught | score |',
    '| --- | ---: | ---: | ---: |',
    ...run.map(([file, score]) => row(`\`${file}\``, score.total - score.survivors.length, score.total)),
    row('all', caught, total),
  ].join('\n')
  process.stdout.write(`\n${table}\n`)
  if (values.write) writeScore(table)
  if (caught / total < GOAL) process.exitCode = 1
}

function writeScore(table: string): void {
  const path = join(PROJECT_ROOT, 'docs/testing.md')
  const [begin, end] = ['<!-- mutation score -->', '<!-- end of mutation score -->']
  const text = readFileSync(path, 'utf8')
  const [before = '', rest = ''] = text.split(begin)
  const [, after = ''] = rest.split(end)
  writeFileSync(path, `${before}${begin}\n\n${table}\n\n${end}${after}`)
}
