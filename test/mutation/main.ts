import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PROJECT_ROOT } from '#lib/version.ts'
import { ACCEPTED } from './accepted.ts'
import { DECIDED } from './decided.ts'
import { type Fault, faultsOf, lineOf } from './operators.ts'
import { Scratch } from './scratch.ts'
import { TARGETS } from './targets.ts'

const GOAL = 0.9

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** At most this many generated faults per file, spread over the file. */
    most: { type: 'string', default: 'Infinity' },
    /** Ends the run after this time; what has not run is reported as such. */
    minutes: { type: 'string', default: '60' },
    /** Runs the faults of decided.ts alone. */
    decided: { type: 'boolean', default: false },
    /** Uses only test files that take at most this many seconds. */
    within: { type: 'string', default: 'Infinity' },
    /** Counts what this output of an earlier run says was caught as caught, and runs the rest. */
    after: { type: 'string' },
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
}

interface Score {
  total: number
  caught: number
}

const jobs = filesAsked().flatMap(jobsOf)
if (jobs.length === 0) throw new Error(`no file matches ${positionals.join(' ')}`)
checkAccepted()
if (values.list) {
  for (const { file, fault } of jobs) print(`${describe(file, fault)}`)
  print(`${jobs.length} faults`)
} else {
  await run()
}

/** The central files, or the files whose paths hold one of the words asked for, central or not. */
function filesAsked(): string[] {
  const central = TARGETS.map(({ file }) => file)
  const hand = DECIDED.map(({ file }) => file)
  if (positionals.length === 0) return [...new Set([...central, ...hand])]
  const all = globSync('{bus,lib,commands,broker,services,doctor,dev}/**/*.ts', { cwd: PROJECT_ROOT })
  return all.sort().filter((file) => positionals.some((part) => file.includes(part)))
}

function jobsOf(file: string): Job[] {
  const source = readFileSync(join(PROJECT_ROOT, file), 'utf8')
  const decided = DECIDED.filter((one) => one.file === file).map(({ tests = [], ...one }) => ({
    file,
    tests: tests.length > 0 ? tests : testsOf(file),
    fault: placeOf(source, one),
  }))
  const isCentral = TARGETS.some((one) => one.file === file)
  if (values.decided || (positionals.length === 0 && !isCentral)) return decided
  const made = faultsOf(source).filter((fault) => !ACCEPTED.some((one) => isSame(one, file, fault)))
  const step = Math.max(1, made.length / Number(values.most))
  const spread = made.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step))
  return [...decided, ...spread.map((fault) => ({ file, tests: testsOf(file), fault }))]
}

/** The tests named in targets.ts, else the test of the same name and every test that imports the file. */
function testsOf(file: string): readonly string[] {
  const named = TARGETS.find((one) => one.file === file)?.tests
  if (named) {
    const missing = named.find((path) => !existsSync(join(PROJECT_ROOT, path)))
    if (missing) throw new Error(`test/mutation/targets.ts: no file ${missing}`)
    return named
  }
  const mirrored = `test/${file.replace(/^services\//, '').replace(/\.ts$/, '')}.test.ts`
  const tests = globSync('test/**/*.test.ts', { cwd: PROJECT_ROOT })
  return tests.filter(
    (path) =>
      !path.endsWith('.long.test.ts') &&
      (path === mirrored || readFileSync(join(PROJECT_ROOT, path), 'utf8').includes(`'#${file}'`)),
  )
}

/** A decided fault must match once: it names the code that it breaks, so it follows changes of that code. */
function placeOf(
  source: string,
  { file, find, replace }: { file: string; find: string; replace: string },
): Fault {
  const at = source.indexOf(find)
  if (at < 0 || source.indexOf(find, at + 1) >= 0)
    throw new Error(`test/mutation/decided.ts: not exactly once in ${file}: ${find}`)
  return { at, find, replace, line: lineOf(source, at).line, text: find }
}

function isSame(one: (typeof ACCEPTED)[number], file: string, { text, find, replace }: Fault): boolean {
  return (
    one.file === file &&
    one.text === text &&
    one.replace === replace &&
    (one.find === undefined || one.find === find)
  )
}

/** An accepted fault whose line has changed is judged again. */
function checkAccepted(): void {
  for (const one of ACCEPTED) {
    const faults = faultsOf(readFileSync(join(PROJECT_ROOT, one.file), 'utf8'))
    if (!faults.some((fault) => isSame(one, one.file, fault)))
      throw new Error(`test/mutation/accepted.ts: no such fault in ${one.file}: ${one.text} → ${one.replace}`)
  }
}

/** The test that caught each fault, by the output of an earlier run. */
function caughtBefore(log: string | undefined): Map<string, string> {
  const text = log === undefined ? '' : readFileSync(log, 'utf8')
  const caught = new Map(
    Array.from(text.matchAll(/^\d+\/\d+ caught (.*) by (\S+)$/gm), ([, fault = '', test = '']) => [
      fault,
      test,
    ]),
  )
  // a line may have two faults of one description
  for (const [, fault = ''] of text.matchAll(/^\d+\/\d+ SURVIVED (.*)$/gm)) caught.delete(fault)
  return caught
}

/** Leaves no test running and no copy behind when this process is ended. */
function endWith(scratch: Scratch): void {
  const stop = (code: number) => {
    scratch[Symbol.dispose]()
    process.exit(code)
  }
  process.once('SIGINT', () => stop(130))
  process.once('SIGTERM', () => stop(143))
  process.once('SIGHUP', () => stop(129))
  process.once('uncaughtException', (error) => {
    print(String(error.stack))
    stop(1)
  })
}

async function run(): Promise<void> {
  const before = caughtBefore(values.after)
  const deadline = performance.now() + Number(values.minutes) * 60_000
  const scores = new Map<string, Score>()
  const scratch = new Scratch()
  endWith(scratch)
  try {
    for (const [i, { file, tests, fault }] of jobs.entries()) {
      if (performance.now() > deadline) {
        print(`stopped after ${values.minutes} minutes: ${jobs.length - i} faults have not run`)
        process.exitCode = 1
        break
      }
      const known = before.get(describe(file, fault))
      if (!known) await scratch.measure(tests)
      const catcher = known ?? (await scratch.catcherOf(file, fault, tests, Number(values.within) * 1000))
      count(scores, file, catcher !== undefined)
      const outcome = `${describe(file, fault)}${catcher ? ` by ${catcher}` : ''}`
      print(`${i + 1}/${jobs.length} ${catcher ? 'caught' : 'SURVIVED'} ${outcome}`)
    }
  } finally {
    scratch[Symbol.dispose]()
  }
  report(scores)
}

function count(scores: Map<string, Score>, file: string, isCaught: boolean): void {
  const { total, caught } = scores.get(file) ?? { total: 0, caught: 0 }
  scores.set(file, { total: total + 1, caught: isCaught ? caught + 1 : caught })
}

function describe(file: string, { line, text, find, replace }: Fault): string {
  return `${file}:${line}: ${text}    [${find} → ${replace || 'nothing'}]`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function report(scores: ReadonlyMap<string, Score>): void {
  const table = tableOf(scores)
  print(`\n${table}`)
  if (values.write) writeScores(scores)
  const { total, caught } = sumOf(scores)
  if (caught / total < GOAL) process.exitCode = 1
}

function sumOf(scores: ReadonlyMap<string, Score>): Score {
  const all = { total: 0, caught: 0 }
  for (const { total, caught } of scores.values()) {
    all.total += total
    all.caught += caught
  }
  return all
}

function tableOf(scores: ReadonlyMap<string, Score>): string {
  const row = (name: string, { total, caught }: Score) =>
    `| ${name} | ${total} | ${caught} | ${Math.round((caught / total) * 100)} % |`
  const rows = [...scores].map(([file, score]) => row(`\`${file}\``, score))
  const head = ['| file | faults | caught | score |', '| --- | ---: | ---: | ---: |']
  return [...head, ...rows.sort(), row('all', sumOf(scores))].join('\n')
}

/** Replaces the rows of these files, and keeps the others. */
function writeScores(scores: ReadonlyMap<string, Score>): void {
  const path = join(PROJECT_ROOT, 'docs/testing.md')
  const [begin, end] = ['<!-- mutation score -->', '<!-- end of mutation score -->']
  const text = readFileSync(path, 'utf8')
  const [before = '', rest = ''] = text.split(begin)
  const [rows = '', after = ''] = rest.split(end)
  const merged = new Map<string, Score>()
  for (const [, file = '', total, caught] of rows.matchAll(/^\| `(.+?)` \| (\d+) \| (\d+) \|/gm))
    if (existsSync(join(PROJECT_ROOT, file)))
      merged.set(file, { total: Number(total), caught: Number(caught) })
  for (const [file, score] of scores) merged.set(file, score)
  writeFileSync(path, `${before}${begin}\n\n${tableOf(merged)}\n\n${end}${after}`)
}
