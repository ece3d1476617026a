import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import type { CommandResult } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { isDrive, isStop, type Speeds, speeds } from '#commands/drive/drive.ts'
import { MotorGuard } from '#commands/drive/motor-guard.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import type { CommandClock } from '../connection/relay-clock.ts'
import type { RelayConnection } from '../connection/relay-connection.ts'
import type { Frame } from '../protocol/frame.ts'
import type { ActuatorLimits } from './actuators.ts'
import { whyStale } from './command-age.ts'
import { type ParsedCommand, parseCommand } from './command-frame.ts'
import { type Outcome, PendingCommands } from './pending-commands.ts'

/** What can be a topic level; a broker may end the connection for a control character in it [MQTT-1.5.3-1]. */
const NAME = /^[^/+#\p{C}]{1,64}$/u

interface GateDeps {
  bus: Bus
  deviceId: string
  link: () => Pick<RelayConnection, 'send'> | undefined
  clock: CommandClock
  limits: ActuatorLimits
  log: Logger
}

type Named = ParsedCommand & { name: string }

/**
 * Takes commands of the app and hands them to the robot's services on `command/<name>`; the matching `command-result`
 * becomes the `command_ack`, so that an acknowledgement says what really happened (FIELD_FAILURES B06). What stops the
 * robot passes before any question is asked. Nothing waits: order is kept because each is published as it comes.
 */
export class CommandGate implements Disposable {
  readonly #deps: GateDeps
  readonly #pending: PendingCommands
  #guard: MotorGuard | undefined
  /** Who knows who sent them, and why (FIELD_FAILURES B18): the log tells what came. */
  readonly #taken: EventCounter
  readonly #refused: EventCounter

  constructor(deps: GateDeps) {
    this.#deps = deps
    this.#taken = createEventCounter(deps.log, 'commands of apps', { level: 'info' })
    this.#refused = createEventCounter(deps.log, 'commands of apps refused')
    this.#pending = new PendingCommands((command, echo, outcome) =>
      deps.link()?.send({ ...outcome, ...echo, type: 'command_ack', device_id: deps.deviceId, command }),
    )
  }

  /** Begins to listen for results. */
  async listen(): Promise<void> {
    this.#guard = await MotorGuard.open({
      bus: this.#deps.bus,
      source: 'relay',
      onDeadMan: () => this.#refused.count('motors stopped: no drive command for 500 ms'),
    })
    await this.#deps.bus.subscribe(
      topics.commandResult,
      ({ id, name: _, ...result }: z.infer<typeof CommandResult>) => this.#pending.answered(id, result),
    )
  }

  /** One command frame. */
  take(frame: Frame): void {
    const command = parseCommand(frame)
    const { name } = command
    if (name === undefined) {
      this.#pending.acknowledge('unknown', command.echo, refusal('no command named'))
      return
    }
    const named = { ...command, name }
    // parameters of a stop change nothing, but could be too large for the bus
    if (isStop(name, command.params)) this.#handOver({ ...named, params: {} })
    else this.#judge(named)
  }

  /** Stops the motors that an app moves over the relay: it is gone, or the link to it. */
  halt(): void {
    this.#guard?.halt()
  }

  /** Nobody will wait any longer: says so to the app, while the link still stands. */
  [Symbol.dispose](): void {
    this.#guard?.[Symbol.dispose]()
    this.#pending.end('the robot stops')
    this.#taken[Symbol.dispose]()
    this.#refused[Symbol.dispose]()
  }

  #judge(command: Named): void {
    const reason = this.#whyRefused(command)
    if (reason === undefined) this.#handOver(command)
    else this.#refuse(command, reason)
  }

  #whyRefused({ name, params, issuedAt }: Named): string | undefined {
    const { bus, clock, limits } = this.#deps
    if (!NAME.test(name)) return 'no such command: a name is 1 to 64 printable characters, none of / + #'
    const stale = whyStale(name, issuedAt, clock)
    if (stale !== undefined) return stale
    // it would be carried out later, when nobody expects it
    if (!bus.connected) return 'the robot is starting again'
    if (isDrive(name)) return undefined
    if (this.#pending.isFull) return 'too many commands are waiting'
    const wait = limits.waitFor(name, params)
    return wait === undefined ? undefined : `too often: again in ${Math.ceil(wait / 1000)} s`
  }

  #refuse({ name, echo }: Named, reason: string): void {
    if (isDrive(name)) this.#pending.refuseDrive(name, echo, reason)
    else {
      this.#refused.count(`${name}: ${reason.split(':')[0]}`.slice(0, 100))
      this.#pending.acknowledge(name.slice(0, 64), echo, refusal(reason))
    }
  }

  #handOver(command: Named): void {
    const { name, params } = command
    if (isDrive(name)) {
      const id = this.#pending.addDrive(name, command.echo)
      this.#settleUnsaid(id, this.#drive(id, speeds(params), command))
      return
    }
    // a motor service needs to know but one topic to stop
    if (isStop(name, params))
      this.#settleUnsaid(undefined, this.#drive(randomUUID(), { left: 0, right: 0 }, command))
    this.#taken.count(name.slice(0, 50))
    const id = this.#pending.add(name, command.echo, params)
    this.#settleUnsaid(
      id,
      this.#deps.bus.publish(topics.command, { ...message(command), id, name, params }, { name }),
    )
  }

  async #drive(id: string, { left, right }: Speeds, { name, params, issuedAt }: Named): Promise<void> {
    const command = { ...message({ issuedAt }), id, params: isDrive(name) ? params : {} }
    const taken = await this.#guard?.drive(command, { left, right })
    if (!taken) throw new Error('just stopped')
  }

  #settleUnsaid(id: string | undefined, said: Promise<void>): void {
    said.catch((err: Error) => {
      if (id !== undefined) this.#pending.answered(id, refusal(err.message))
      else this.#deps.log.error({ err }, 'a stop was not published')
    })
  }
}

function message({ issuedAt }: Pick<ParsedCommand, 'issuedAt'>) {
  return {
    source: 'relay' as const,
    ...(issuedAt === undefined ? {} : { issued_at: issuedAt }),
    received_at: Date.now(),
  }
}

function refusal(error: string): Outcome {
  return { success: false, error }
}
