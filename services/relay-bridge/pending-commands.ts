import { randomUUID } from 'node:crypto'

/** Time that a robot service has to answer a command, ms: a treat may jam and be freed (FIELD_FAILURES B21). */
const TIMEOUTS: ReadonlyMap<string, number> = new Map([
  ...['treat', 'dispense_treat', 'treat_unjam', 'carousel_rotate'].map((name) => [name, 35_000] as const),
  ...['record_video', 'ptt_record', 'audio_request', 'upload_song', 'download_song'].map(
    (name) => [name, 45_000] as const,
  ),
  // the clip is played to its end
  ['ptt_play', 20_000],
  ['controller_scan', 20_000],
  ['controller_pair', 30_000],
])
const TIMEOUT = 5_000
/** Commands that wait for their result, at most. */
const MAX_PENDING = 256
/** A stick sends 50 times a second; its driver hears at most this often that it went well, and that it did not, ms. */
const DRIVE_ACK_EVERY = 5_000
/** What was accepted may take its time, ms. After that nothing more is said: it was no lie that it had begun. */
const ACCEPTED_TIMEOUT = 10 * 60_000

export interface Outcome {
  success: boolean
  error?: string | undefined
  /** Begun: another result will follow. */
  accepted?: unknown
}

type Echo = Record<string, unknown>

interface Pending {
  command: string
  echo: Echo
  timer: NodeJS.Timeout
  isDrive: boolean
}

/** Commands that were handed over and whose result is awaited. Each is acknowledged once, or once more when it was accepted. */
export class PendingCommands {
  readonly #acknowledge: (command: string, echo: Echo, outcome: Outcome) => void
  readonly #pending = new Map<string, Pending>()
  /** The newest drive command; it replaces the one before. */
  #drive: string | undefined
  readonly #driveToldAt = { true: Number.NEGATIVE_INFINITY, false: Number.NEGATIVE_INFINITY }

  constructor(acknowledge: (command: string, echo: Echo, outcome: Outcome) => void) {
    this.#acknowledge = acknowledge
  }

  get isFull(): boolean {
    return this.#pending.size >= MAX_PENDING
  }

  /** Waits for the result of this command, and for the oldest no longer when there are too many; returns the id that it will carry. */
  add(command: string, echo: Echo): string {
    return this.#add(command, echo, false)
  }

  /** As {@link add}, for one of a stream of drive commands. */
  addDrive(command: string, echo: Echo): string {
    if (this.#drive !== undefined) this.#forget(this.#drive)
    this.#drive = this.#add(command, echo, true)
    return this.#drive
  }

  /** A result came. One that nobody waits for, any more, is dropped. */
  answered(id: string, outcome: Outcome): void {
    const pending = this.#pending.get(id)
    if (!pending) return
    if (outcome.accepted === true && outcome.success) this.#accepted(id, pending)
    else this.#forget(id)
    if (pending.isDrive) this.#tellDriver(pending.command, pending.echo, outcome)
    else this.#acknowledge(pending.command, pending.echo, outcome)
  }

  /** Tells the driver, now and then. */
  refuseDrive(command: string, echo: Echo, error: string): void {
    this.#tellDriver(command, echo, { success: false, error })
  }

  acknowledge(command: string, echo: Echo, outcome: Outcome): void {
    this.#acknowledge(command, echo, outcome)
  }

  /** Settles everything that waits. */
  end(error: string): void {
    for (const id of [...this.#pending.keys()]) this.answered(id, { success: false, error })
  }

  #tellDriver(command: string, echo: Echo, outcome: Outcome): void {
    const now = performance.now()
    const kind = outcome.success ? 'true' : 'false'
    if (now - this.#driveToldAt[kind] < DRIVE_ACK_EVERY) return
    this.#driveToldAt[kind] = now
    this.#acknowledge(command, echo, outcome)
  }

  #accepted(id: string, pending: Pending): void {
    clearTimeout(pending.timer)
    pending.timer = setTimeout(() => this.#forget(id), ACCEPTED_TIMEOUT)
  }

  #add(command: string, echo: Echo, isDrive: boolean): string {
    const [oldest] = this.#pending.keys()
    if (this.isFull && oldest !== undefined) {
      this.answered(oldest, { success: false, error: 'too many commands are waiting: it may still happen' })
    }
    const id = randomUUID()
    const error = 'nothing on the robot answered this command'
    const timer = setTimeout(
      () => this.answered(id, { success: false, error }),
      TIMEOUTS.get(command) ?? TIMEOUT,
    )
    this.#pending.set(id, { command, echo, timer, isDrive })
    return id
  }

  #forget(id: string): void {
    clearTimeout(this.#pending.get(id)?.timer)
    this.#pending.delete(id)
  }
}
