import { randomUUID } from 'node:crypto'
import type { Bus } from '#bus/bus.ts'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { isStop, type Speeds, STOP_NAMES } from './drive.ts'

/** Without a drive command for this long the motors stop, ms (docs/motor-safety.md). */
const DEAD_MAN = 500
/** The zero of a source whose silence another one covered comes this much after the other's own, ms. */
const AFTER_OTHERS = 50
/** `command/motor` has QoS 0: a zero is said again after these times, ms. */
const AGAIN = [50, 150]
/** After a stop nothing moves for this long at either entrance, because frames may be under way, ms. */
const HOLD = 300

type Drive = Pick<Command, 'id' | 'params' | 'session_id' | 'issued_at' | 'received_at'>

interface GuardOptions {
  bus: Bus
  source: Command['source']
  /** Called when the dead-man stops the motors; ms since the last command. */
  onDeadMan(age: number): void
}

/**
 * The way of one source to `command/motor`: whatever moves the motors is followed by a zero when nothing comes for
 * 500 ms, by the monotonic clock, or when {@link halt} is called. docs/motor-safety.md.
 */
export class MotorGuard implements Disposable {
  readonly #options: GuardOptions
  readonly #again = new Set<NodeJS.Timeout>()
  #deadMan: NodeJS.Timeout | undefined
  #movedAt = 0
  #moving = false
  #othersAt = Number.NEGATIVE_INFINITY
  #heldUntil = Number.NEGATIVE_INFINITY

  constructor(options: GuardOptions) {
    this.#options = options
  }

  static async open(options: GuardOptions): Promise<MotorGuard> {
    const guard = new MotorGuard(options)
    await guard.listen()
    return guard
  }

  /** Resolves when the other sources on the bus, and stops, are received. */
  async listen(): Promise<void> {
    const { bus, source: own } = this.#options
    const motors = bus.subscribe(topics.motor, ({ source, params }) => {
      if (source !== own)
        this.#othersAt = isStop('motor', params) ? Number.NEGATIVE_INFINITY : performance.now()
    })
    const stops = STOP_NAMES.map((name) => bus.subscribe(topics.command, () => this.#hold(), { name }))
    await Promise.all([motors, ...stops])
  }

  /** Passes a drive command on. Resolves to false when it is dropped, because somebody has just stopped the robot. */
  async drive(command: Drive, { left, right }: Speeds): Promise<boolean> {
    const moves = left !== 0 || right !== 0
    if (moves && performance.now() < this.#heldUntil) return false
    this.#forgetRepeats()
    clearTimeout(this.#deadMan)
    this.#moving = moves
    if (this.#moving) {
      this.#movedAt = performance.now()
      this.#deadMan = setTimeout(() => this.#tooLong(), DEAD_MAN)
    } else {
      this.#sayAgain(command.session_id)
    }
    await this.#say({ ...command, params: { ...command.params, left, right } })
    return true
  }

  /** Stops the motors now, whoever moves them, and holds them. Never throws. */
  stop(sessionId?: string): void {
    this.#hold()
    this.#moving = true
    this.halt(sessionId)
  }

  /** Stops the motors now if this source moves them. Never throws. */
  halt(sessionId?: string): void {
    if (!this.#moving) return
    this.#moving = false
    clearTimeout(this.#deadMan)
    this.#forgetRepeats()
    this.#sayZero(sessionId)
    this.#sayAgain(sessionId)
  }

  /** Says zero if it has to, so dispose it before the bus. */
  [Symbol.dispose](): void {
    this.halt()
    this.#forgetRepeats()
  }

  #tooLong(): void {
    // another source drives by now; each of two that fell silent together must not leave the zero to the other
    const quiet = performance.now() - this.#othersAt
    if (quiet < DEAD_MAN) {
      this.#deadMan = setTimeout(() => this.#tooLong(), DEAD_MAN - quiet + AFTER_OTHERS)
      return
    }
    this.#options.onDeadMan(Math.round(performance.now() - this.#movedAt))
    this.halt()
  }

  #hold(): void {
    this.#heldUntil = performance.now() + HOLD
  }

  #sayZero(sessionId: string | undefined): void {
    const named = sessionId === undefined ? {} : { session_id: sessionId }
    const zero = { id: randomUUID(), params: { left: 0, right: 0 }, received_at: Date.now(), ...named }
    this.#say(zero).catch(() => {}) // the bus is closing: its last will stops the motors
  }

  #sayAgain(sessionId: string | undefined): void {
    const said = performance.now()
    for (const after of AGAIN) {
      const timer = setTimeout(() => {
        this.#again.delete(timer)
        const now = performance.now()
        // unless another source has begun to drive since, and may
        if (!this.#moving && (this.#othersAt < said || now < this.#heldUntil)) this.#sayZero(sessionId)
      }, after)
      this.#again.add(timer)
    }
  }

  #forgetRepeats(): void {
    for (const timer of this.#again) clearTimeout(timer)
    this.#again.clear()
  }

  async #say(command: Drive): Promise<void> {
    await this.#options.bus.publish(topics.motor, { ...command, name: 'motor', source: this.#options.source })
  }
}
