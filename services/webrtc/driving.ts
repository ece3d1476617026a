import type { Bus } from '#bus/bus.ts'
import { isStop, speeds } from '#bus/drive.ts'
import type { Command } from '#bus/messages.ts'
import { MotorGuard } from '#bus/motor-guard.ts'
import type { Tally } from '#lib/tally.ts'

/** A frame that was under way when the driver stopped must not start the motors again (API_CONTRACT 3.3 rule 3), ms. */
const LATCH_AFTER_STOP = 300
/** The same after a stick was let go. */
const LATCH_AFTER_ZERO = 80

/**
 * Who drives over a data channel: the viewer who connected last, and nobody else. API_CONTRACT 3.3, docs/motor-safety.md.
 */
export class Driving implements Disposable {
  readonly #guard: MotorGuard
  readonly #tally: Tally
  /** Connected, oldest first. */
  readonly #drivers: Driver[] = []

  private constructor(guard: MotorGuard, tally: Tally) {
    this.#guard = guard
    this.#tally = tally
  }

  static async open(bus: Bus, tally: Tally): Promise<Driving> {
    const onDeadMan = () => tally.count('motors stopped: no drive command for 500 ms')
    return new Driving(await MotorGuard.open({ bus, source: 'datachannel', onDeadMan }), tally)
  }

  /** The place of one session. */
  join(sessionId: string): Driver {
    const driver: Driver = new Driver(this.#guard, this.#tally, {
      sessionId,
      owns: () => this.#drivers.at(-1) === driver,
      arrive: () => {
        this.#drivers.at(-1)?.halt()
        this.#drivers.push(driver)
      },
      leave: () => {
        const place = this.#drivers.indexOf(driver)
        if (place >= 0) this.#drivers.splice(place, 1)
      },
    })
    return driver
  }

  [Symbol.dispose](): void {
    this.#guard[Symbol.dispose]()
  }
}

interface Place {
  sessionId: string
  /** Whether this session is the one that drives. */
  owns(): boolean
  arrive(): void
  leave(): void
}

/** One viewer's way to the motors. */
export class Driver {
  readonly #guard: MotorGuard
  readonly #tally: Tally
  readonly #place: Place
  #latchedUntil = Number.NEGATIVE_INFINITY
  #newest = Number.NEGATIVE_INFINITY

  constructor(guard: MotorGuard, tally: Tally, place: Place) {
    this.#guard = guard
    this.#tally = tally
    this.#place = place
  }

  /** Connected: this viewer drives now. */
  connected(): void {
    this.#place.arrive()
  }

  /** Passes a drive command on, or drops it, which is counted. Resolves to whether it was passed on. */
  async drive(command: Omit<Command, 'name' | 'source'>): Promise<boolean> {
    const { params } = command
    const stands = isStop('motor', params)
    const reason = stands ? undefined : this.#whyNot(params)
    if (reason) {
      this.#tally.count(`drive command dropped: ${reason}`)
      return false
    }
    // a viewer who does not drive does not stop the one who does by letting go of a stick
    if (!this.#place.owns()) return false
    if (stands) this.#latch(LATCH_AFTER_ZERO)
    await this.#guard.drive(command, speeds(params))
    return true
  }

  /** Stops the motors, whoever drives. */
  stop(): void {
    this.#latch(LATCH_AFTER_STOP)
    this.#guard.halt({ always: true, sessionId: this.#place.sessionId })
  }

  /** Stops the motors if this viewer drives: it is not heard any more, or its channel is gone. */
  halt(): void {
    if (this.#place.owns()) this.#guard.halt({ sessionId: this.#place.sessionId })
  }

  /** The session is over. */
  leave(): void {
    this.halt()
    this.#place.leave()
  }

  #whyNot(params: Readonly<Record<string, unknown>>): string | undefined {
    if (!this.#place.owns()) return 'another viewer drives'
    if (performance.now() < this.#latchedUntil) return 'just stopped'
    const mark = [params.seq, params.ts].find((value) => typeof value === 'number')
    if (mark === undefined) return undefined
    if (mark < this.#newest) return 'overtaken'
    this.#newest = mark
    return undefined
  }

  #latch(ms: number): void {
    this.#latchedUntil = Math.max(this.#latchedUntil, performance.now() + ms)
  }
}
