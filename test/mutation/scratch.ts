import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROJECT_ROOT } from '#lib/version.ts'
import type { Fault } from './operators.ts'

const BASELINE_LIMIT_MS = 120_000
const SHORTEST_LIMIT_MS = 10_000
/** A run that takes this many times as long as without a fault hangs. */
const HANGING = 6

/** A copy of the tree in which faults are made and tests run; the tree itself is only read. */
export class Scratch implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'wimz-mutation-'))
  readonly #durations = new Map<string, number>()
  #running: number | undefined

  constructor() {
    try {
      this.#copyTree()
    } catch (err) {
      this[Symbol.dispose]()
      throw err
    }
  }

  #copyTree(): void {
    const list = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
    const files = execFileSync('git', list, { cwd: PROJECT_ROOT, encoding: 'utf8' })
    for (const file of files.split('\0').filter((path) => path && existsSync(join(PROJECT_ROOT, path))))
      cpSync(join(PROJECT_ROOT, file), join(this.#folder, file))
    symlinkSync(join(PROJECT_ROOT, 'node_modules'), join(this.#folder, 'node_modules'))
  }

  /** Runs each test file without a fault, which has to pass, and notes how long it takes. */
  async measure(tests: Iterable<string>): Promise<void> {
    for (const test of tests) {
      if (this.#durations.has(test)) continue
      const start = performance.now()
      if (!(await this.#passes(test, BASELINE_LIMIT_MS))) throw new Error(`fails without a fault: ${test}`)
      this.#durations.set(test, performance.now() - start)
    }
  }

  /** The first test file of at most `withinMs` that fails with this fault, the quickest first; undefined when all pass. */
  async catcherOf(
    file: string,
    fault: Fault,
    tests: readonly string[],
    withinMs: number,
  ): Promise<string | undefined> {
    const usable = tests.filter((test) => this.#duration(test) <= withinMs)
    const path = join(this.#folder, file)
    const source = readFileSync(path, 'utf8')
    writeFileSync(
      path,
      source.slice(0, fault.at) + fault.replace + source.slice(fault.at + fault.find.length),
    )
    try {
      for (const test of usable.toSorted((a, b) => this.#duration(a) - this.#duration(b))) {
        const limit = Math.max(SHORTEST_LIMIT_MS, this.#duration(test) * HANGING)
        if (!(await this.#passes(test, Math.min(limit, BASELINE_LIMIT_MS)))) return test
      }
      return undefined
    } finally {
      writeFileSync(path, source)
    }
  }

  #duration(test: string): number {
    return this.#durations.get(test) ?? BASELINE_LIMIT_MS
  }

  /** `timeout` ends the test and its children also when this process is killed. */
  async #passes(test: string, limitMs: number): Promise<boolean> {
    const node = [process.execPath, '--test', '--test-isolation=none', '--test-force-exit', test]
    const child = spawn('timeout', ['--signal=KILL', String(limitMs / 1000), ...node], {
      cwd: this.#folder,
      env: {
        ...process.env,
        NODE_TEST_CONTEXT: undefined,
        NODE_COMPILE_CACHE: join(this.#folder, 'compile-cache'),
      },
      stdio: 'ignore',
      detached: true,
    })
    this.#running = child.pid
    const { promise, resolve, reject } = Promise.withResolvers<number | null>()
    child.once('error', reject)
    child.once('exit', resolve)
    const code = await promise
    this.#endGroup()
    return code === 0
  }

  /** Ends what a test started and left behind, too. */
  #endGroup(): void {
    if (this.#running === undefined) return
    try {
      process.kill(-this.#running, 'SIGKILL')
    } catch {
      // the group has ended by itself
    }
    this.#running = undefined
  }

  [Symbol.dispose](): void {
    this.#endGroup()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
