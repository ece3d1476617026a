import { randomUUID } from 'node:crypto'
import type { Bus } from '#bus/bus.ts'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { isZero, type Speeds, STOP_NAMES, speeds } from './drive.ts'

/** Dead-man: without a drive command of this source for so long the motors stop, in ms. */
const DEAD_MAN_MS = 500
/** Without a drive command of any source on the bus for so long each guard stops the motors, ms: the mover's process is stuck. */
const WATCHDOG_MS = 600
/** `command/motor` has QoS 0: a zero is published again after these times, in ms. */
const REPEATS_MS = [50, 150]
/** After a stop nothing moves for so long, from any source: frames may be under way, in ms. */
const HOLD_MS = 300

type DriveCommand = Pick<Command, 'id' | 'params' | 'session_id' | 'issued_at' | 'received_at'>

interface GuardOptions {
  bus: Bus
  source: Command['source']
  /** Called when the dead-man stops the motors; ms since the last command of this source. */
  onDeadMan?(age: number): void
  /** Called when the watchdog stops the motors that another process moved. */
  onWatchdog?(): void
  /** Monotonic milliseconds. */
  now?: () => number
}

/**
 * The access of one source to `command/motor`. Whatever moves the motors is followed by a zero: after 500 ms without a
 * command of this source, after 600 ms without one of any source, when {@link halt} is called, and at a stop on any way.
 * docs/motor-safety.md has the rules.
 */
export class MotorGuard implements Disposable {
  readonly #options: GuardOptions
  readonly #now: () => number
  readonly #repeats = new Set<NodeJS.Timeout>()
  readonly #subscriptions = new DisposableStack()
  #deadMan: NodeJS.Timeout | undefined
  #watchdog: NodeJS.Timeout | undefined
  /** When this source moved the motors, while it does. */
  #movedAt: number | undefined
  /** When another source moved the motors last; in the past once it stopped. */
  #othersAt = Number.NEGATIVE_INFINITY
  #heldUntil = Number.NEGATIVE_INFINITY
  /** A zero of this source was lost, since the bus was away. */
  #zeroLost = false

  constructor(options: GuardOptions) {
    this.#options = options
    this.#now = options.now ?? performance.now.bind(performance)
  }

  static async open(options: GuardOptions): Promise<MotorGuard> {
    const guard = new MotorGuard(options)
    await guard.listen()
    return guard
  }

  /** Resolves when drive commands and stops on the bus are received. */
  async listen(): Promise<void> {
    const { bus } = this.#options
    const subscribed = [
      bus.subscribe(topics.motor, (command) => this.#observe(command)),
      ...STOP_NAMES.map((name) => bus.subscribe(topics.command, () => this.#stopped(), { name })),
    ]
    for (const subscription of await Promise.all(subscribed)) this.#subscriptions.use(subscription)
    this.#subscriptions.use(bus.onConnect(() => this.#reconnected()))
  }

  /** Publishes a drive command. Resolves to false when it is dropped, because the robot was just stopped. */
  async drive(command: DriveCommand, wanted: Speeds): Promise<boolean> {
    const moves = !isZero(wanted)
    if (moves && this.#isHeld) return false
    this.#cancelRepeats()
    clearTimeout(this.#deadMan)
    this.#movedAt = moves ? this.#now() : undefined
    if (moves) this.#deadMan = setTimeout(() => this.#expired(), DEAD_MAN_MS)
    else this.#repeatZero(command.session_id)
    await this.#publish({ ...command, params: { ...command.params, ...wanted } })
    return true
  }

  /** Stops the motors now, whichever source moves them, and holds them. Never throws. */
  stop(sessionId?: string): void {
    this.#hold()
    this.#zero(sessionId)
  }

  /** Stops the motors now if this source moves them. Never throws. */
  halt(sessionId?: string): void {
    if (this.#movedAt !== undefined) this.#zero(sessionId)
  }

  /** Publishes a zero if it has to, so dispose it before the bus. */
  [Symbol.dispose](): void {
    this.halt()
    this.#cancelRepeats()
    clearTimeout(this.#watchdog)
    this.#subscriptions[Symbol.dispose]()
  }

  get #isHeld(): boolean {
    return this.#now() < this.#heldUntil
  }

  #hold(): void {
    this.#heldUntil = this.#now() + HOLD_MS
  }

  /** A drive command on the bus, of any source. */
  #observe({ source, params }: Pick<Command, 'source' | 'params'>): void {
    const moves = !isZero(speeds(params))
    if (source !== this.#options.source) this.#othersAt = moves ? this.#now() : Number.NEGATIVE_INFINITY
    clearTimeout(this.#watchdog)
    if (!moves) return
    this.#watchdog = setTimeout(() => this.#stuck(), WATCHDOG_MS)
    // it was under way when the robot was stopped, and has moved it again
    if (this.#isHeld) this.#publishZero(undefined)
  }

  /** A stop on the bus, of any source. */
  #stopped(): void {
    this.#hold()
    this.halt()
  }

  #expired(): void {
    // another source drives; its own guard stops the motors, or the watchdog
    if (this.#now() - this.#othersAt < DEAD_MAN_MS) {
      this.#movedAt = undefined
      return
    }
    this.#options.onDeadMan?.(Math.round(this.#now() - (this.#movedAt ?? this.#now())))
    this.halt()
  }

  #stuck(): void {
    if (!this.#options.bus.connected) return // what happens on the bus is unknown
    this.#options.onWatchdog?.()
    this.#zero(undefined)
  }

  #reconnected(): void {
    if (this.#zeroLost && this.#movedAt === undefined) this.#zero(undefined)
  }

  #zero(sessionId: string | undefined): void {
    this.#movedAt = undefined
    clearTimeout(this.#deadMan)
    this.#cancelRepeats()
    this.#publishZero(sessionId)
    this.#repeatZero(sessionId)
  }

  #publishZero(sessionId: string | undefined): void {
    const session = sessionId === undefined ? {} : { session_id: sessionId }
    const zero = { id: randomUUID(), params: { left: 0, right: 0 }, received_at: Date.now(), ...session }
    this.#publish(zero).catch(() => {}) // the bus is closing: its last will stops the motors
  }

  #repeatZero(sessionId: string | undefined): void {
    const since = this.#now()
    for (const after of REPEATS_MS) {
      const timer = setTimeout(() => {
        this.#repeats.delete(timer)
        // unless another source drives by now, and may
        const othersDrive = this.#othersAt >= since && !this.#isHeld
        if (this.#movedAt === undefined && !othersDrive) this.#publishZero(sessionId)
      }, after)
      this.#repeats.add(timer)
    }
  }

  #cancelRepeats(): void {
    for (const timer of this.#repeats) clearTimeout(timer)
    this.#repeats.clear()
  }

  async #publish(command: DriveCommand): Promise<void> {
    const { bus, source } = this.#options
    this.#zeroLost = !bus.connected && this.#movedAt === undefined
    await bus.publish(topics.motor, { ...command, name: 'motor', source })
  }
}
