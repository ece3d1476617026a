import type { Bus } from '#bus/bus.ts'
import type { Command } from '#bus/messages.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { isZero, speeds } from './drive.ts'
import { DriveSequence } from './drive-sequence.ts'
import { EventLoopStall } from './event-loop-stall.ts'
import { MotorGuard } from './motor-guard.ts'

/** After a plain zero this driver's moving frames are dropped for so long: the network may have reordered them, ms. */
const LATCH_MS = 80

interface ArbiterDeps {
  bus: Bus
  source: Command['source']
  /** Counts dropped drive commands by reason. */
  refused: EventCounter
}

/**
 * Decides which app connection of one entrance drives: the one that connected last. The others may stop the robot, and no
 * more. docs/motor-safety.md has the rules.
 */
export class DriveArbiter implements Disposable {
  readonly #guard: MotorGuard
  readonly #refused: EventCounter
  readonly #stall = new EventLoopStall()
  /** Connected, oldest first. */
  readonly #drivers: Driver[] = []

  constructor({ bus, source, refused }: ArbiterDeps) {
    const onDeadMan = () => refused.count('motors stopped: no drive command for 500 ms')
    this.#guard = new MotorGuard({ bus, source, onDeadMan })
    this.#refused = refused
  }

  /** Resolves when the other entrance is received. */
  listen(): Promise<void> {
    return this.#guard.listen()
  }

  /** Registers one app connection; it drives once it is connected. */
  join(sessionId: string | undefined): Driver {
    const driver: Driver = new Driver(this.#guard, this.#refused, {
      sessionId,
      owns: () => this.#drivers.at(-1) === driver,
      mayBeStale: () => !this.#stall.isOver,
      arrive: () => {
        this.#drivers.at(-1)?.halt()
        this.#drivers.push(driver)
        this.#stall.watch(true)
      },
      leave: () => {
        const place = this.#drivers.indexOf(driver)
        if (place >= 0) this.#drivers.splice(place, 1)
        this.#stall.watch(this.#drivers.length > 0)
      },
    })
    return driver
  }

  [Symbol.dispose](): void {
    this.#stall.watch(false)
    this.#guard[Symbol.dispose]()
  }
}

interface Place {
  sessionId: string | undefined
  /** Whether this connection is the one that drives. */
  owns(): boolean
  /** Whether what is read now may be old, since the process stood still. */
  mayBeStale(): boolean
  arrive(): void
  leave(): void
}

/** One app connection's access to the motors. */
export class Driver {
  readonly #guard: MotorGuard
  readonly #refused: EventCounter
  readonly #place: Place
  readonly #sequence = new DriveSequence()
  #latchedUntil = Number.NEGATIVE_INFINITY

  constructor(guard: MotorGuard, refused: EventCounter, place: Place) {
    this.#guard = guard
    this.#refused = refused
    this.#place = place
  }

  /** Connected: this one drives now. */
  connected(): void {
    this.#place.arrive()
  }

  /**
   * Publishes a drive command, or drops and counts it. `whyStale` is what its age says against it. Resolves to the reason
   * if it was dropped.
   */
  async drive(
    command: Omit<Command, 'name' | 'source'>,
    whyStale: string | undefined,
  ): Promise<string | undefined> {
    const { params, issued_at } = command
    const wanted = speeds(params)
    const stands = isZero(wanted)
    const { seq, ts = issued_at } = params
    const misplaced = this.#sequence.check({ seq, ts })
    // a viewer who does not drive does not stop the one who does by releasing a stick
    let reason = this.#place.owns() ? undefined : 'another viewer drives'
    if (!stands) reason ??= whyStale ?? misplaced ?? this.#whyNot()
    if (stands && !reason) this.#latchedUntil = performance.now() + LATCH_MS
    if (!reason && !(await this.#guard.drive(command, wanted))) reason = 'just stopped'
    if (reason) this.#refused.count(`drive command dropped: ${reason.split(':')[0]}`)
    return reason
  }

  /** Stops the motors, whichever connection drives. `marks`: the `seq` and `ts` of the message. */
  stop({ seq, ts }: Readonly<Record<string, unknown>>): void {
    this.#sequence.check({ seq, ts })
    this.#guard.stop(this.#place.sessionId)
  }

  /** Stops the motors if this connection drives: it is silent, or gone. */
  halt(): void {
    if (this.#place.owns()) this.#guard.halt(this.#place.sessionId)
  }

  /** The connection has ended. */
  leave(): void {
    this.halt()
    this.#place.leave()
  }

  #whyNot(): string | undefined {
    if (performance.now() < this.#latchedUntil) return 'just stopped'
    return this.#place.mayBeStale() ? 'it may be old: the robot was overloaded' : undefined
  }
}
