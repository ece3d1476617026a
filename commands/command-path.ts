import type { z } from 'zod'
import type { CommandResult } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { ActuatorLimits, type CommandLimits } from './actuators.ts'
import { AppConnection, type Entrance, type Sender } from './app-connection.ts'
import { DriveArbiter } from './drive/drive-arbiter.ts'

interface PathDeps extends Pick<Entrance, 'bus' | 'source' | 'clock'> {
  limits: CommandLimits
  log: Logger
  /** Another connection of this entrance drives, or none. */
  onDriver?: () => void
  /** Monotonic milliseconds. */
  now?: () => number
}

/**
 * The path of an app's command from either entrance, relay or data channel, to the bus and back: parse, stop first, age,
 * pace of the actuator, publish, await the result, acknowledge. Services open one {@link CommandPath} each and join one
 * {@link AppConnection} per app; `drive/` decides which of them drives, and stops the motors.
 */
export class CommandPath implements Disposable {
  readonly #entrance: Entrance
  readonly #arbiter: DriveArbiter
  readonly #stack = new DisposableStack()
  readonly #connections = new Set<AppConnection>()

  constructor({ limits, log, now, onDriver, ...deps }: PathDeps) {
    const refused = this.#stack.use(createEventCounter(log, 'commands of apps refused'))
    const accepted = this.#stack.use(createEventCounter(log, 'commands of apps', { level: 'info' }))
    this.#entrance = { ...deps, refused, accepted, limits: new ActuatorLimits(limits) }
    this.#arbiter = this.#stack.use(new DriveArbiter({ ...deps, refused, onDriver, now }))
  }

  /** Resolves when results, the commands of the other entrance and its stops are received. */
  async listen(): Promise<void> {
    const { bus, limits } = this.#entrance
    const [, pace, results] = await Promise.all([
      this.#arbiter.listen(),
      limits.follow(bus),
      bus.subscribe(topics.commandResult, (result) => this.#answered(result)),
    ])
    this.#stack.use(pace)
    this.#stack.use(results)
  }

  /** Adds an app connection. */
  join(sender: Sender): AppConnection {
    const connection: AppConnection = new AppConnection(
      { ...this.#entrance, left: () => this.#connections.delete(connection) },
      this.#arbiter.join(sender.sessionId),
      sender,
    )
    this.#connections.add(connection)
    return connection
  }

  /** Stops the motors, and answers what is pending while the connections still stand. */
  [Symbol.dispose](): void {
    for (const connection of this.#connections) connection.leave('the robot stops')
    this.#stack[Symbol.dispose]()
  }

  #answered({ id, name: _, ...result }: z.infer<typeof CommandResult>): void {
    for (const connection of this.#connections) connection.answered(id, result)
  }
}
