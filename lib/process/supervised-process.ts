import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { createBackoff } from '../backoff.ts'
import { ConfigError } from '../config-error.ts'
import type { Logger } from '../logger.ts'

export interface SupervisedProcessOptions {
  name: string
  /** Script and its arguments for Node. */
  args: string[]
  /** Added to our own environment. */
  env?: Record<string, string>
  log: Logger
  /** Takes each line that the child writes. */
  onLine(line: string): void
  /** It will not be started again: its configuration is bad. */
  onBadConfig(): void
}

/** A process that lived this long was well; its next restart is a first one. */
const WELL_AFTER = 30_000
/** One that had worked is started again after this at the latest, however often it dies: others wait for it. */
const AT_ONCE = 500

interface Life {
  /** It has said that it works. */
  worked: boolean
  /** Milliseconds. */
  lived: number
}

/** A child process that is started again whenever it dies, until it is stopped. */
export class SupervisedProcess {
  readonly name: string
  readonly #options: SupervisedProcessOptions
  readonly #backoff = createBackoff({ first: 500, cap: 10_000, least: 200 })
  readonly #ready = Promise.withResolvers<void>()
  #process: ChildProcess | undefined
  #restart: NodeJS.Timeout | undefined
  #stopping = false
  /** The process of now has said that it works. */
  #listens = false

  constructor(options: SupervisedProcessOptions) {
    this.name = options.name
    this.#options = options
    this.#start()
  }

  /** Resolves when the child has said, for the first time, that it works. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /**
   * SIGTERM, and SIGKILL after `deadline` ms. Resolves true when it exited by itself with 0, or was still so new that it
   * did not listen for signals.
   */
  async stop(deadline: number): Promise<boolean> {
    this.#stopping = true
    clearTimeout(this.#restart)
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return true
    const exited = new Promise<boolean>((resolve) =>
      child.once('exit', (code, signal) => resolve(code === 0 || (signal === 'SIGTERM' && !this.#listens))),
    )
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), deadline)
    const clean = await exited
    clearTimeout(timer)
    return clean
  }

  /** Sends it a signal, if it runs. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  #start(): void {
    const { name, args, log, onLine } = this.#options
    const env = { ...process.env, ...this.#options.env }
    const startedAt = performance.now()
    this.#listens = false
    // a process group of its own: Ctrl-C must reach it through us, in our order; the channel tells it when we die
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      env,
    })
    this.#process = child
    if (child.stdout) createInterface(child.stdout).on('line', onLine)
    if (child.stderr) {
      createInterface(child.stderr).on('line', (line) =>
        log.warn({ child: name, stderr: line.slice(0, 2_000) }, 'said'),
      )
    }
    child.on('message', (message) => {
      if (message !== 'ready') return
      this.#listens = true
      this.#ready.resolve()
    })
    child.on('error', (err) => log.error({ child: name, err }, 'cannot be started'))
    child.on('exit', (code, signal) =>
      this.#exited(code, signal, { worked: this.#listens, lived: performance.now() - startedAt }),
    )
    log.debug({ child: name, pid: child.pid }, 'child started')
  }

  #exited(code: number | null, signal: NodeJS.Signals | null, { worked, lived }: Life): void {
    if (this.#stopping) return
    if (code === ConfigError.exitCode) {
      this.#stopping = true
      this.#options.onBadConfig()
      return
    }
    if (lived > WELL_AFTER) this.#backoff.reset()
    const wait = Math.round(Math.min(this.#backoff.next(), worked ? AT_ONCE : Number.POSITIVE_INFINITY))
    this.#options.log.error(
      { child: this.name, code, signal, restart_in_ms: wait },
      'died, will be restarted',
    )
    this.#restart = setTimeout(() => this.#start(), wait)
  }
}
