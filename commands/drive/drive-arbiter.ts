import type { Bus } from '#bus/bus.ts'
import type { Command } from '#bus/messages.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Age } from '../command-clock.ts'
import { isZero, speeds } from './drive.ts'
import { DriveSequence } from './drive-sequence.ts'
import { EventLoopStall } from './event-loop-stall.ts'
import { MotorGuard } from './motor-guard.ts'

/** After a plain zero this driver's moving frames are dropped for so long: the network may have reordered them, in ms. */
const LATCH_MS = 80

interface ArbiterDeps {
  bus: Bus
  source: Command['source']
  /** Counts dropped drive commands by reason. */
  refused: EventCounter
  /** Another connection drives, or none. */
  onDriver?: (() => void) | undefined
  /** Monotonic milliseconds. */
  now?: (() => number) | undefined
}

/**
 * Decides which app connection of one entrance drives: the one that connected, or took over, last. The others may stop the
 * robot, and no more. docs/motor-safety.md has the rules.
 */
export class DriveArbiter implements Disposable {
  readonly #guard: MotorGuard
  readonly #refused: EventCounter
  readonly #now: () => number
  readonly #stall: EventLoopStall
  readonly #onDriver: () => void
  /** Connected; the last one drives. */
  readonly #drivers: Driver[] = []

  constructor({
    bus,
    source,
    refused,
    onDriver = () => {},
    now = performance.now.bind(performance),
  }: ArbiterDeps) {
    this.#onDriver = onDriver
    this.#guard = new MotorGuard({
      ...{ bus, source, now },
      onDeadMan: () => refused.count('motors stopped: no drive command for 500 ms'),
      onWatchdog: () => refused.count('motors stopped: no drive command on the bus for 600 ms'),
    })
    this.#refused = refused
    this.#now = now
    this.#stall = new EventLoopStall(now)
  }

  /** Resolves when the other entrance is received. */
  listen(): Promise<void> {
    return this.#guard.listen()
  }

  /** Registers one app connection; it drives once it is connected. */
  join(sessionId: string | undefined): Driver {
    const driver: Driver = new Driver(this.#guard, this.#refused, {
      sessionId,
      now: this.#now,
      owns: () => this.#drivers.at(-1) === driver,
      isFree: () => this.#drivers.length === 0,
      mayBeStale: () => !this.#stall.isOver,
      arrive: () => {
        this.#drivers.at(-1)?.halt()
        this.#drivers.push(driver)
        this.#stall.watch(true)
        this.#onDriver()
      },
      takeOver: () => {
        const place = this.#drivers.indexOf(driver)
        if (place < 0) return false
        if (driver !== this.#drivers.at(-1)) {
          this.#drivers.at(-1)?.halt()
          this.#drivers.push(...this.#drivers.splice(place, 1))
          this.#onDriver()
        }
        return true
      },
      leave: () => {
        const place = this.#drivers.indexOf(driver)
        if (place < 0) return
        const drove = driver === this.#drivers.at(-1)
        this.#drivers.splice(place, 1)
        this.#stall.watch(this.#drivers.length > 0)
        if (drove) this.#onDriver()
      },
    })
    return driver
  }

  [Symbol.dispose](): void {
    this.#stall.watch(false)
    this.#guard[Symbol.dispose]()
  }
}

/** The place of a message in the app's stream of drive commands. */
export interface StreamPlace {
  seq: unknown
  /** When the app sent it, by the app's clock, ms since the epoch. */
  ts: unknown
  /** Its age by our clock; null when that is not known. */
  age: Age | null
}

/** Which connection of an entrance drives, as one of them is told. */
export type Driving = 'this' | 'other' | 'none'

interface Place {
  sessionId: string | undefined
  now(): number
  /** Whether this connection is the one that drives. */
  owns(): boolean
  /** Whether no connection drives. */
  isFree(): boolean
  /** Whether what is read now may be old, since the process stood still. */
  mayBeStale(): boolean
  arrive(): void
  /** Returns false for a connection that cannot drive. */
  takeOver(): boolean
  leave(): void
}

/** One app connection's access to the motors. */
export class Driver {
  readonly #guard: MotorGuard
  readonly #refused: EventCounter
  readonly #place: Place
  readonly #sequence: DriveSequence
  #latchedUntil = Number.NEGATIVE_INFINITY

  constructor(guard: MotorGuard, refused: EventCounter, place: Place) {
    this.#guard = guard
    this.#refused = refused
    this.#place = place
    this.#sequence = new DriveSequence(place.now)
  }

  /** Connected: this one drives now. */
  connected(): void {
    this.#place.arrive()
  }

  /** Drives from now on, in place of the one that did. Returns false where this connection cannot. */
  takeOver(): boolean {
    return this.#place.takeOver()
  }

  /** Which connection drives, as this one is told. */
  get driving(): Driving {
    if (this.#place.owns()) return 'this'
    return this.#place.isFree() ? 'none' : 'other'
  }

  /**
   * Publishes a drive command, or drops and counts it. `refusal` is why it must not move the motors, whatever its place.
   * Resolves to the reason if it was dropped.
   */
  async drive(
    command: Omit<Command, 'name' | 'source'>,
    place: StreamPlace,
    refusal: string | undefined,
  ): Promise<string | undefined> {
    const wanted = speeds(command.params)
    const stands = isZero(wanted)
    const misplaced = this.#sequence.check(place, place.age)
    // a viewer who does not drive does not stop the one who does by releasing a stick
    let reason = this.#place.owns() ? undefined : 'another viewer drives'
    if (!stands) reason ??= refusal ?? misplaced ?? this.#whyNot()
    if (stands && !reason) this.#latchedUntil = this.#place.now() + LATCH_MS
    if (!reason && !(await this.#guard.drive(command, wanted))) reason = 'just stopped'
    if (reason) this.#refused.count(`drive command dropped: ${reason.split(':')[0]}`)
    return reason
  }

  /** Stops the motors, whichever connection drives. */
  stop(place: StreamPlace): void {
    this.#sequence.check(place, place.age)
    this.#guard.stop(this.#place.sessionId)
  }

  /** Stops the motors if this connection drives: it is silent, or gone. */
  halt(): void {
    if (this.#place.owns()) this.#guard.halt(this.#place.sessionId)
  }

  /** Another app, with a clock and a counter of its own, may send what follows. */
  appChanged(): void {
    this.#sequence.reset()
  }

  /** The connection has ended. */
  leave(): void {
    this.halt()
    this.#place.leave()
  }

  #whyNot(): string | undefined {
    if (this.#place.now() < this.#latchedUntil) return 'just stopped'
    return this.#place.mayBeStale() ? 'it may be old: the robot was overloaded' : undefined
  }
}
