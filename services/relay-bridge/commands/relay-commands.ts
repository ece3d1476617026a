import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import type { CommandLimits } from '#commands/actuators.ts'
import type { AppConnection, Reply } from '#commands/app-connection.ts'
import type { CommandClock } from '#commands/command-clock.ts'
import { CommandPath } from '#commands/command-path.ts'
import type { Logger } from '#lib/logger.ts'
import type { RelayConnection } from '../connection/relay-connection.ts'
import { answerFrame } from '../protocol/event-encoder.ts'
import type { Frame } from '../protocol/frame.ts'

/** Frames a second: all apps of the owner share the relay connection; each drives with at most 20 a second. */
const RATE = 500

interface RelayCommandsDeps {
  bus: Bus
  deviceId: string
  connection: Pick<RelayConnection, 'send'>
  clock: CommandClock
  limits: CommandLimits
  log: Logger
  /** Frames a second; higher in tests. */
  rate?: number
}

/** The entrance of commands over the relay. The relay does not name the app, so all apps are one connection. */
export class RelayCommands implements Disposable {
  readonly #path: CommandPath
  readonly #apps: AppConnection
  readonly #reply: Reply

  constructor({ deviceId, connection, rate = RATE, ...deps }: RelayCommandsDeps) {
    this.#path = new CommandPath({ ...deps, source: 'relay' })
    this.#apps = this.#path.join({ rate })
    this.#apps.connected()
    this.#reply = (answer) => {
      try {
        connection.send(answerFrame(answer, deviceId))
      } catch (err) {
        if (!(err instanceof ContractError)) throw err
        deps.log.debug({ reason: err.message }, 'answer to an app cannot be sent')
      }
    }
  }

  /** Resolves when results, and the commands of the other entrance, are received. */
  listen(): Promise<void> {
    return this.#path.listen()
  }

  /** One command frame. */
  handle(frame: Frame): void {
    this.#apps.handle(frame, this.#reply)
  }

  /** Another app may drive over the relay from now on. */
  appConnected(): void {
    this.#apps.appChanged()
  }

  /** Stops the motors that an app moves over the relay: the app is gone, or the relay connection. */
  halt(): void {
    this.#apps.halt()
  }

  /** Answers what is pending, while the relay connection still stands. */
  [Symbol.dispose](): void {
    this.#path[Symbol.dispose]()
  }
}
