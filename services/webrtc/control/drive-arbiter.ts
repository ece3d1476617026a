import type { Bus } from '#bus/bus.ts'
import type { Command } from '#bus/messages.ts'
import { isStop, speeds } from '#commands/drive/drive.ts'
import { MotorGuard } from '#commands/drive/motor-guard.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { FrameOrder } from './drive-sequence.ts'
import { StallWatch } from './event-loop-stall.ts'

/** A frame that was under way when the stick was let go must not start the motors again (API_CONTRACT 3.3 rule 3), ms. */
const LATCH = 80

/**
 * Who drives over a data channel: the viewer who connected last, and nobody else. API_CONTRACT 3.3, docs/motor-safety.md.
 */
export class Driving implements Disposable {
  readonly #guard: MotorGuard
  readonly #tally: EventCounter
  readonly #stall = new StallWatch()
  /** Connected, oldest first. */
  readonly #drivers: Driver[] = []

  private constructor(guard: MotorGuard, tally: EventCounter) {
    this.#guard = guard
    this.#tally = tally
  }

  static async open(bus: Bus, tally: EventCounter): Promise<Driving> {
    const onDeadMan = () => tally.count('motors stopped: no drive command for 500 ms')
    return new Driving(await MotorGuard.open({ bus, source: 'datachannel', onDeadMan }), tally)
  }

  /** The place of one session. */
  join(sessionId: string): Driver {
    const driver: Driver = new Driver(this.#guard, this.#tally, {
      sessionId,
      owns: () => this.#drivers.at(-1) === driver,
      mayHaveWaited: () => !this.#stall.isOver,
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
  sessionId: string
  /** Whether this session is the one that drives. */
  owns(): boolean
  /** Whether what is read now may be of the past, since the process stood still. */
  mayHaveWaited(): boolean
  arrive(): void
  leave(): void
}

/** One viewer's way to the motors. */
export class Driver {
  readonly #guard: MotorGuard
  readonly #tally: EventCounter
  readonly #place: Place
  readonly #order = new FrameOrder()
  #latchedUntil = Number.NEGATIVE_INFINITY

  constructor(guard: MotorGuard, tally: EventCounter, place: Place) {
    this.#guard = guard
    this.#tally = tally
    this.#place = place
  }

  /** Connected: this viewer drives now. */
  connected(): void {
    this.#place.arrive()
  }

  /** Passes a drive command on, or drops it, which is counted. Resolves to the reason if it was dropped. */
  async drive(command: Omit<Command, 'name' | 'source'>): Promise<string | undefined> {
    const { params, issued_at } = command
    const stands = isStop('motor', params)
    const { seq, ts = issued_at } = params
    const misplaced = this.#order.check({ seq, ts })
    // a viewer who does not drive does not stop the one who does by letting go of a stick
    let reason = this.#place.owns() ? undefined : 'another viewer drives'
    if (!stands) reason ??= misplaced ?? this.#whyNot()
    if (stands && !reason) this.#latchedUntil = performance.now() + LATCH
    if (!reason && !(await this.#guard.drive(command, speeds(params)))) reason = 'just stopped'
    if (reason) this.#tally.count(`drive command dropped: ${reason}`)
    return reason
  }

  /** Stops the motors, whoever drives. `marks`: what the message says of its place among the others. */
  stop({ seq, ts }: Readonly<Record<string, unknown>>): void {
    this.#order.check({ seq, ts })
    this.#guard.stop(this.#place.sessionId)
  }

  /** Stops the motors if this viewer drives: it is not heard any more, or its channel is gone. */
  halt(): void {
    if (this.#place.owns()) this.#guard.halt(this.#place.sessionId)
  }

  /** The session is over. */
  leave(): void {
    this.halt()
    this.#place.leave()
  }

  #whyNot(): string | undefined {
    if (performance.now() < this.#latchedUntil) return 'just stopped'
    return this.#place.mayHaveWaited() ? 'it may have waited' : undefined
  }
}
