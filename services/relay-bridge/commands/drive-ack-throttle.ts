import { randomUUID } from 'node:crypto'
import type { Acknowledge, Echo, Outcome } from './pending-commands.ts'

/** A stick sends 50 times a second; its driver hears at most this often that it went well, and that it did not, ms. */
const TELL_EVERY = 5_000
/** Commands that a slow motor service may still answer. */
const MAX_AWAITED = 32

interface Asked {
  command: string
  echo: Echo
}

/** Answers to a stream of drive commands: one tells for all, and so does the want of any. */
export class DriveAnswers {
  readonly #acknowledge: Acknowledge
  readonly #timeout: number
  readonly #awaited = new Map<string, Asked>()
  /** Runs from the first command that nobody has answered. */
  #unanswered: NodeJS.Timeout | undefined
  readonly #toldAt = new Map<string, number>()

  constructor(acknowledge: Acknowledge, timeout: number) {
    this.#acknowledge = acknowledge
    this.#timeout = timeout
  }

  /** The next of the stream; returns the id that its answer will carry. */
  add(command: string, echo: Echo): string {
    const id = randomUUID()
    const [oldest] = this.#awaited.keys()
    if (this.#awaited.size >= MAX_AWAITED && oldest !== undefined) this.#awaited.delete(oldest)
    this.#awaited.set(id, { command, echo })
    this.#unanswered ??= setTimeout(() => this.#nobody(), this.#timeout)
    return id
  }

  /** Whether the answer belongs to the stream. */
  answered(id: string, outcome: Outcome): boolean {
    const asked = this.#awaited.get(id)
    if (!asked) return false
    this.#awaited.delete(id)
    this.#rest()
    this.tell(asked.command, asked.echo, outcome)
    return true
  }

  /** Tells the driver, now and then. */
  tell(command: string, echo: Echo, outcome: Outcome): void {
    const now = performance.now()
    const kind = `${command} ${outcome.success}`
    if (now - (this.#toldAt.get(kind) ?? Number.NEGATIVE_INFINITY) < TELL_EVERY) return
    this.#toldAt.set(kind, now)
    this.#acknowledge(command, echo, outcome)
  }

  /** Nobody will answer any more. */
  end(error: string): void {
    this.#rest()
    const last = [...this.#awaited.values()].at(-1)
    this.#awaited.clear()
    if (last) this.tell(last.command, last.echo, { success: false, error })
  }

  #nobody(): void {
    this.end('nothing on the robot answered this command')
  }

  #rest(): void {
    clearTimeout(this.#unanswered)
    this.#unanswered = undefined
  }
}
