import { randomUUID } from 'node:crypto'

/** A stick sends up to 50 commands a second; its driver gets each kind of answer at most this often, in ms. */
const ACK_INTERVAL_MS = 5_000
/** Commands that a slow motor service may still answer. */
const MAX_PENDING = 32
/** Kinds of answers whose time is kept. */
const MAX_KINDS = 64

export interface Outcome {
  success: boolean
  error?: string | undefined
  /** Begun: another result will follow. */
  accepted?: unknown
}

/** Acknowledges a command; `echo` is what was given with it. */
export type Acknowledge<E> = (command: string, echo: E, outcome: Outcome) => void

interface Pending<E> {
  command: string
  echo: E
}

/** Acknowledgments of a stream of drive commands: one answer, or one timeout, stands for the burst. */
export class DriveAcks<E> {
  readonly #acknowledge: Acknowledge<E>
  readonly #timeout: number
  readonly #pending = new Map<string, Pending<E>>()
  /** Runs from the first command without an answer. */
  #timer: NodeJS.Timeout | undefined
  readonly #sentAt = new Map<string, number>()

  constructor(acknowledge: Acknowledge<E>, timeout: number) {
    this.#acknowledge = acknowledge
    this.#timeout = timeout
  }

  /** The next of the stream; returns the id that its result will carry. */
  add(command: string, echo: E, id: string = randomUUID()): string {
    const [oldest] = this.#pending.keys()
    if (this.#pending.size >= MAX_PENDING && oldest !== undefined) this.#pending.delete(oldest)
    this.#pending.set(id, { command, echo })
    this.#timer ??= setTimeout(() => this.end('nothing on the robot answered this command'), this.#timeout)
    return id
  }

  /** Whether the result belongs to the stream. */
  answered(id: string, outcome: Outcome): boolean {
    const pending = this.#pending.get(id)
    if (!pending) return false
    this.#pending.delete(id)
    this.#stopTimer()
    this.acknowledge(pending.command, pending.echo, outcome)
    return true
  }

  /** Acknowledges, unless an answer of this kind has just been sent. */
  acknowledge(command: string, echo: E, outcome: Outcome): void {
    const now = performance.now()
    const kind = `${command} ${outcome.success} ${outcome.error?.split(':')[0] ?? ''}`
    if (now - (this.#sentAt.get(kind) ?? Number.NEGATIVE_INFINITY) < ACK_INTERVAL_MS) return
    this.#sentAt.delete(kind)
    this.#sentAt.set(kind, now)
    const [oldest] = this.#sentAt.keys()
    if (this.#sentAt.size > MAX_KINDS && oldest !== undefined) this.#sentAt.delete(oldest)
    this.#acknowledge(command, echo, outcome)
  }

  /** Answers what is pending with one failure. */
  end(error: string): void {
    this.#stopTimer()
    const last = [...this.#pending.values()].at(-1)
    this.#pending.clear()
    if (last) this.acknowledge(last.command, last.echo, { success: false, error })
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
