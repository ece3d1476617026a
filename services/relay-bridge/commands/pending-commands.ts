import { randomUUID } from 'node:crypto'
import { DriveAnswers } from './drive-ack-throttle.ts'

/** Time that a robot service has to answer a command, ms: a treat may jam and be freed (FIELD_FAILURES B21). */
const TIMEOUTS: ReadonlyMap<string, number> = new Map([
  ...['treat', 'dispense_treat', 'treat_unjam', 'carousel_rotate'].map((name) => [name, 35_000] as const),
  ...['record_video', 'ptt_record', 'audio_request', 'upload_song', 'download_song'].map(
    (name) => [name, 45_000] as const,
  ),
  ['controller_scan', 20_000],
  ['controller_pair', 30_000],
])
const TIMEOUT = 5_000
/** Commands that wait for their result, at most. */
const MAX_PENDING = 256
/** What was accepted may take its time, ms. After that nothing more is said: it was no lie that it had begun. */
const ACCEPTED_TIMEOUT = 10 * 60_000

export interface Outcome {
  success: boolean
  error?: string | undefined
  /** Begun: another result will follow. */
  accepted?: unknown
}

export type Echo = Record<string, unknown>
export type Acknowledge = (command: string, echo: Echo, outcome: Outcome) => void

interface Pending {
  command: string
  echo: Echo
  timer: NodeJS.Timeout
}

/** Commands that were handed over and whose result is awaited. Each is acknowledged once, or once more when it was accepted. */
export class PendingCommands {
  readonly #acknowledge: Acknowledge
  readonly #pending = new Map<string, Pending>()
  readonly #drive: DriveAnswers

  constructor(acknowledge: Acknowledge) {
    this.#acknowledge = acknowledge
    this.#drive = new DriveAnswers(acknowledge, TIMEOUT)
  }

  get isFull(): boolean {
    return this.#pending.size >= MAX_PENDING
  }

  /** Waits for the result of this command, and for the oldest no longer when there are too many; returns the id that it will carry. */
  add(command: string, echo: Echo, params: Readonly<Record<string, unknown>> = {}): string {
    const [oldest] = this.#pending.keys()
    if (this.isFull && oldest !== undefined) {
      this.answered(oldest, { success: false, error: 'too many commands are waiting: it may still happen' })
    }
    const id = randomUUID()
    const error = 'nothing on the robot answered this command'
    const timer = setTimeout(() => this.answered(id, { success: false, error }), timeoutOf(command, params))
    this.#pending.set(id, { command, echo, timer })
    return id
  }

  /** As {@link add}, for one of a stream of drive commands. */
  addDrive(command: string, echo: Echo): string {
    return this.#drive.add(command, echo)
  }

  /** A result came. One that nobody waits for, any more, is dropped. */
  answered(id: string, outcome: Outcome): void {
    if (this.#drive.answered(id, outcome)) return
    const pending = this.#pending.get(id)
    if (!pending) return
    if (outcome.accepted === true && outcome.success) this.#accepted(id, pending)
    else this.#forget(id)
    this.#acknowledge(pending.command, pending.echo, outcome)
  }

  /** Tells the driver, now and then. */
  refuseDrive(command: string, echo: Echo, error: string): void {
    this.#drive.tell(command, echo, { success: false, error })
  }

  acknowledge(command: string, echo: Echo, outcome: Outcome): void {
    this.#acknowledge(command, echo, outcome)
  }

  /** Settles everything that waits. */
  end(error: string): void {
    this.#drive.end(error)
    for (const id of [...this.#pending.keys()]) this.answered(id, { success: false, error })
  }

  #accepted(id: string, pending: Pending): void {
    clearTimeout(pending.timer)
    pending.timer = setTimeout(() => this.#forget(id), ACCEPTED_TIMEOUT)
  }

  #forget(id: string): void {
    clearTimeout(this.#pending.get(id)?.timer)
    this.#pending.delete(id)
  }
}

/** A clip is played to its end, which its sender knows, if anybody. */
function timeoutOf(command: string, { duration_ms: clip }: Readonly<Record<string, unknown>>): number {
  if (command !== 'ptt_play') return TIMEOUTS.get(command) ?? TIMEOUT
  return 10_000 + (typeof clip === 'number' && clip > 0 ? Math.min(clip, 60_000) : 10_000)
}
