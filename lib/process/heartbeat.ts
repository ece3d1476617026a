import { access, writeFile } from 'node:fs'
import { PROJECT_ROOT } from '../version.ts'

/** Interval of the heartbeats for the supervisor and for Docker's health check. */
const HEARTBEAT_INTERVAL_MS = 5_000

/**
 * Whether the process works: `starting`; `ready`; `offline`, without the broker; `bad-config`, waiting for the config to be
 * fixed.
 */
type State = 'starting' | 'ready' | 'offline' | 'bad-config'

/**
 * Sign of life of this process, every 5 s: as `alive` to a supervisor that started it with an IPC channel, and as a line
 * `<number> <state>` in the file that `WIMZ_HEARTBEAT` names, which lib/process/health.sh reads. A supervisor kills
 * a process that has given none for 30 s.
 */
export class Heartbeat implements Disposable {
  readonly #file: string | undefined
  #timer: NodeJS.Timeout | undefined
  #state: () => State
  #beats = 0
  #isPending = false

  constructor(env: Readonly<Record<string, string | undefined>> = process.env) {
    this.#file = env.WIMZ_HEARTBEAT || undefined
    this.#state = () => 'starting'
    if (!this.#file && !process.send) return
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_INTERVAL_MS).unref()
    this.#beat()
  }

  /** Announces a new state at once; a function is asked at each heartbeat. */
  set(state: State | (() => State)): void {
    this.#state = typeof state === 'function' ? state : () => state
    if (this.#timer) this.#beat()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    if (this.#isPending) return
    this.#isPending = true
    throughThreadPool(() => {
      this.#isPending = false
      if (process.connected) process.send?.('alive')
      if (this.#file) writeFile(this.#file, `${++this.#beats} ${this.#state()}\n`, () => {}) // full or gone: counts as hung
    })
  }
}

/** Calls back when the event loop and the thread pool, in which codecs and files work, have both had their turn. */
export function throughThreadPool(onTurn: () => void): void {
  access(PROJECT_ROOT, () => onTurn())
}
