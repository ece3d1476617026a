import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { createBackoff } from '../backoff.ts'
import { ConfigError } from '../config-error.ts'
import type { Logger } from '../logger.ts'

export interface SupervisedProcessOptions {
  name: string
  /** Script and its arguments for Node. */
  args: string[]
  /** Added to the environment of this process. */
  env?: Record<string, string>
  log: Logger
  /** Receives each line of stdout. */
  onLine(line: string): void
  /** The process exited because of its configuration and will not be restarted. */
  onBadConfig(): void
  /** Shorter in tests. */
  aliveTimeoutMs?: number
}

/** Uptime that resets the backoff. */
const STABLE_UPTIME_MS = 30_000
/** A process that has given no sign of life for this long hangs, and is killed; it sends one every 5 s. */
const ALIVE_TIMEOUT_MS = 30_000
/** The same before its first one: its modules are loading, perhaps from a slow card. */
const FIRST_ALIVE_TIMEOUT_MS = 120_000
/** Longest restart delay of a process that had become ready: other services wait for it. */
const MAX_READY_DELAY_MS = 500

interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  /** The process had reported that it was ready. */
  wasReady: boolean
  uptimeMs: number
}

/** A child process that is restarted with backoff whenever it exits, until it is stopped. */
export class SupervisedProcess {
  readonly name: string
  readonly #options: SupervisedProcessOptions
  readonly #backoff = createBackoff({ first: 500, cap: 10_000, least: 200 })
  readonly #ready = Promise.withResolvers<void>()
  #process: ChildProcess | undefined
  #restart: NodeJS.Timeout | undefined
  #watchdog: NodeJS.Timeout | undefined
  #isStopping = false
  #isReady = false

  constructor(options: SupervisedProcessOptions) {
    this.name = options.name
    this.#options = options
    this.#start()
  }

  /** Resolves when the process has reported for the first time that it is ready. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /**
   * SIGTERM, and SIGKILL after `deadline` ms. Resolves true when the process exited with 0, or so early that it had no
   * signal handler yet.
   */
  async stop(deadline: number): Promise<boolean> {
    this.#isStopping = true
    clearTimeout(this.#restart)
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return true
    const exited = new Promise<boolean>((resolve) =>
      child.once('exit', (code, signal) => resolve(code === 0 || (signal === 'SIGTERM' && !this.#isReady))),
    )
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), deadline)
    const clean = await exited
    clearTimeout(timer)
    return clean
  }

  /** Sends a signal, if the process runs. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  #start(): void {
    const { name, args, log, onLine } = this.#options
    const env = { ...process.env, ...this.#options.env }
    const startedAt = performance.now()
    this.#isReady = false
    // own process group: Ctrl-C reaches the child through us, in our order; the IPC channel closes when we die
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      env,
    })
    this.#process = child
    if (child.stdout) createInterface(child.stdout).on('line', onLine)
    if (child.stderr) {
      createInterface(child.stderr).on('line', (line) =>
        log.warn({ child: name, stderr: line.slice(0, 2_000) }, 'child wrote to stderr'),
      )
    }
    this.#expectAlive(child, FIRST_ALIVE_TIMEOUT_MS)
    child.on('message', (message) => {
      this.#expectAlive(child, this.#options.aliveTimeoutMs ?? ALIVE_TIMEOUT_MS)
      if (message !== 'ready') return
      this.#isReady = true
      this.#ready.resolve()
    })
    child.on('error', (err) => log.error({ child: name, err }, 'cannot start child'))
    child.on('exit', (code, signal) =>
      this.#exited({ code, signal, wasReady: this.#isReady, uptimeMs: performance.now() - startedAt }),
    )
    log.debug({ child: name, pid: child.pid }, 'child started')
  }

  #expectAlive(child: ChildProcess, timeoutMs: number): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => {
      this.#options.log.error({ child: this.name, timeout_ms: timeoutMs }, 'child hangs, killing it')
      child.kill('SIGKILL')
    }, timeoutMs)
  }

  #exited({ code, signal, wasReady, uptimeMs }: Exit): void {
    clearTimeout(this.#watchdog)
    if (this.#isStopping) return
    if (code === ConfigError.exitCode) {
      this.#isStopping = true
      this.#options.onBadConfig()
      return
    }
    if (uptimeMs > STABLE_UPTIME_MS) this.#backoff.reset()
    const delay = Math.round(
      Math.min(this.#backoff.next(), wasReady ? MAX_READY_DELAY_MS : Number.POSITIVE_INFINITY),
    )
    this.#options.log.error(
      { child: this.name, code, signal, restart_in_ms: delay },
      'child exited, restarting it',
    )
    this.#restart = setTimeout(() => this.#start(), delay)
  }
}
