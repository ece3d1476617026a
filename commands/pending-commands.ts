import { randomUUID } from 'node:crypto'
import { type Acknowledge, DriveAcks, type Outcome } from './drive-acks.ts'

/** Time that a robot service has to answer a command, ms: a treat may jam and be freed. */
const TIMEOUTS: ReadonlyMap<string, number> = new Map([
  ...['treat', 'dispense_treat', 'treat_unjam', 'carousel_rotate'].map((name) => [name, 35_000] as const),
  ...['record_video', 'ptt_record', 'audio_request', 'upload_song', 'download_song'].map(
    (name) => [name, 45_000] as const,
  ),
  ['controller_scan', 20_000],
  ['controller_pair', 30_000],
])
const TIMEOUT = 5_000
/** Commands of one app connection that await their result. */
const MAX_PENDING = 256
/** An accepted command may take this long, ms. After that no failure is reported: the app knows that it has begun. */
const ACCEPTED_TIMEOUT = 10 * 60_000

interface Pending<E> {
  command: string
  echo: E
  timer: NodeJS.Timeout
}

/**
 * Published commands of one app connection that await their result. Each is acknowledged once, or once more after it was
 * accepted.
 */
export class PendingCommands<E> {
  readonly #acknowledge: Acknowledge<E>
  readonly #pending = new Map<string, Pending<E>>()
  readonly #drive: DriveAcks<E>

  constructor(acknowledge: Acknowledge<E>) {
    this.#acknowledge = acknowledge
    this.#drive = new DriveAcks(acknowledge, TIMEOUT)
  }

  get isFull(): boolean {
    return this.#pending.size >= MAX_PENDING
  }

  /** Awaits the result of this command, at the cost of the oldest when full; returns the id that it will carry. */
  add(command: string, echo: E, params: Readonly<Record<string, unknown>> = {}): string {
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
  addDrive(command: string, echo: E, id?: string): string {
    return this.#drive.add(command, echo, id)
  }

  /** A result arrived; one that is not awaited is dropped. */
  answered(id: string, outcome: Outcome): void {
    if (this.#drive.answered(id, outcome)) return
    const pending = this.#pending.get(id)
    if (!pending) return
    if (outcome.accepted === true && outcome.success) this.#accepted(id, pending)
    else this.#forget(id)
    this.#acknowledge(pending.command, pending.echo, outcome)
  }

  /** Acknowledges a rejected drive command, at a bounded rate. */
  rejectDrive(command: string, echo: E, error: string): void {
    this.#drive.acknowledge(command, echo, { success: false, error })
  }

  acknowledge(command: string, echo: E, outcome: Outcome): void {
    this.#acknowledge(command, echo, outcome)
  }

  /** Answers everything that is pending. */
  end(error: string): void {
    this.#drive.end(error)
    for (const id of [...this.#pending.keys()]) this.answered(id, { success: false, error })
  }

  #accepted(id: string, pending: Pending<E>): void {
    clearTimeout(pending.timer)
    pending.timer = setTimeout(() => this.#forget(id), ACCEPTED_TIMEOUT)
  }

  #forget(id: string): void {
    clearTimeout(this.#pending.get(id)?.timer)
    this.#pending.delete(id)
  }
}

/** A clip is played to its end; only its sender knows how long it is. */
function timeoutOf(command: string, { duration_ms: clip }: Readonly<Record<string, unknown>>): number {
  if (command !== 'ptt_play') return TIMEOUTS.get(command) ?? TIMEOUT
  return 10_000 + (typeof clip === 'number' && clip > 0 ? Math.min(clip, 60_000) : 10_000)
}
