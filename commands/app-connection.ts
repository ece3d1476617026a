import { randomUUID } from 'node:crypto'
import type { Bus } from '#bus/bus.ts'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { TokenBucket } from '#lib/token-bucket.ts'
import type { ActuatorLimits } from './actuators.ts'
import { whyStale } from './command-age.ts'
import type { CommandClock } from './command-clock.ts'
import { type CommandMessage, hasFiniteNumbers, parseCommand } from './command-message.ts'
import { isDrive, isStopName, isZero, speeds } from './drive/drive.ts'
import type { Driver, Driving, StreamPlace } from './drive/drive-arbiter.ts'
import type { Outcome } from './drive-acks.ts'
import { PendingCommands } from './pending-commands.ts'
import { wireTime } from './wire-time.ts'

/** What can be a topic level; a broker may close the connection for a control character in it [MQTT-1.5.3-1]. */
const NAME = /^[^/+#\p{C}]{1,64}$/u
const NOT_FINITE = 'a number is not finite, or the parameters are nested too deeply'
/** Smaller numbers count from elsewhere than the epoch. */
const EARLIEST_SEND = 1e12
/** Of a viewer on a data channel; not for the bus. */
const TAKE_OVER = 'take_over'
const RESTARTING = 'robot is restarting'
const WATCH_ONLY = 'this login is for watching: of all commands it may send stop only'

/** What the connections of one entrance share. */
export interface Entrance {
  bus: Bus
  source: Command['source']
  clock: CommandClock
  limits: ActuatorLimits
  accepted: EventCounter
  refused: EventCounter
}

/** An app as its entrance knows it. */
export interface Sender {
  sessionId?: string
  /** Messages a second of this connection, after as many at once. What stops the robot is never counted. */
  rate: number
  /** It may stop the robot, and send no other command. */
  watchOnly?: boolean
}

/** Sends an answer to the app that sent the message. */
export type Reply = (answer: Record<string, unknown>) => void

type Named = CommandMessage & { name: string; reply: Reply }

/** One app connection: everything that it sends, and what comes back. */
export class AppConnection {
  readonly #entrance: Entrance & { left(): void }
  readonly #driver: Driver
  readonly #sender: Sender
  readonly #pending: PendingCommands<Pick<Named, 'echo' | 'reply'>>
  readonly #rate: TokenBucket

  constructor(entrance: Entrance & { left(): void }, driver: Driver, sender: Sender) {
    this.#entrance = entrance
    this.#driver = driver
    this.#sender = sender
    this.#rate = new TokenBucket(sender.rate, sender.rate)
    this.#pending = new PendingCommands((command, { echo, reply }, outcome) =>
      reply({ ...outcome, ...echo, type: 'command_ack', command }),
    )
  }

  /** One message: a JSON object. Nothing waits, so commands are published in the order in which they arrive. */
  handle(message: Readonly<Record<string, unknown>>, reply: Reply): void {
    const { name, ...rest } = parseCommand(message)
    const command = { ...rest, name: name ?? 'unknown', reply }
    if (isStopName(command.name)) {
      this.#stop(command)
      return
    }
    const stands = isDrive(command.name) && isZero(speeds(command.params))
    if (!(this.#rate.take() || stands)) this.#entrance.refused.count('too many messages')
    // a liveness check of the channel, unless the message says that it is a command
    else if (name === 'ping' && message.type !== 'command') reply({ ...message, type: 'pong' })
    else if (name === undefined) this.#reject(command, 'no command named')
    else this.#carryOut(command)
  }

  #carryOut(command: Named): void {
    const { watchOnly, sessionId } = this.#sender
    if (watchOnly) this.#reject(command, WATCH_ONLY)
    else if (command.name === TAKE_OVER && sessionId !== undefined) this.#takeOver(command)
    else if (isDrive(command.name)) this.#drive(command)
    else this.#judge(command)
  }

  /** Which connection drives. */
  get driving(): Driving {
    return this.#driver.driving
  }

  /** A result arrived, for this connection or another one. */
  answered(id: string, outcome: Outcome): void {
    this.#pending.answered(id, outcome)
  }

  /** The connection stands: this app drives now, unless it only watches. */
  connected(): void {
    if (!this.#sender.watchOnly) this.#driver.connected()
  }

  /** Stops the motors if this app drives: it is silent, or its connection broke. */
  halt(): void {
    this.#driver.halt()
  }

  /** Another app may send what follows on this connection. */
  appChanged(): void {
    this.#driver.appChanged()
  }

  /** The connection has ended. What is pending is answered with `error`, in case it still takes an answer. */
  leave(error = 'the connection has ended'): void {
    this.#driver.leave()
    this.#pending.end(error)
    this.#entrance.left()
  }

  #takeOver(command: Named): void {
    const outcome = this.#driver.takeOver() ? { success: true } : refusal('not connected')
    this.#pending.acknowledge(TAKE_OVER, command, outcome)
  }

  #judge(command: Named): void {
    const reason = this.#whyRefused(command)
    if (reason === undefined) this.#publish(command)
    else this.#reject(command, reason)
  }

  #reject(command: Named, reason: string): void {
    const name = command.name.slice(0, 64)
    this.#entrance.refused.count(`${name}: ${reason.split(':')[0]}`.slice(0, 100))
    this.#pending.acknowledge(name, command, refusal(reason))
  }

  #whyRefused({ name, params, issuedAt }: Named): string | undefined {
    const { bus, clock } = this.#entrance
    if (!NAME.test(name)) return 'no such command: a name is 1 to 64 printable characters, none of / + #'
    if (!hasFiniteNumbers(params)) return NOT_FINITE
    const stale = whyStale(name, issuedAt, clock)
    if (stale !== undefined) return stale
    // it would be carried out later, when it is not expected any more
    if (!bus.connected) return RESTARTING
    if (this.#pending.isFull) return 'too many commands are waiting'
    const wait = this.#entrance.limits.waitFor(name, params)
    return wait === undefined ? undefined : `too often: again in ${Math.ceil(wait / 1000)} s`
  }

  #publish(command: Named): void {
    const { name, params } = command
    this.#entrance.accepted.count(name.slice(0, 50))
    const id = this.#pending.add(name, command, params)
    this.#entrance.limits.published(id, name)
    const message = { ...this.#envelope(command), id, name, params, source: this.#entrance.source }
    this.#entrance.bus
      .publish(topics.command, message, { name })
      .catch((err: Error) => this.#pending.answered(id, refusal(err.message)))
  }

  /** A motor service needs to know but one topic to stop, so every stop is a zero on it as well, and that one first. */
  #stop({ params, ...command }: Named): void {
    this.#driver.stop(this.#placeOf(params, command.issuedAt))
    // parameters of a stop change nothing, but could be too large for the bus
    this.#publish({ ...command, params: {} })
  }

  #drive(command: Named): void {
    const { name, params, issuedAt } = command
    const { bus, clock } = this.#entrance
    const place = this.#placeOf(params, issuedAt)
    if (!hasFiniteNumbers(params)) {
      this.#pending.rejectDrive(name, command, NOT_FINITE)
      return
    }
    const refused = bus.connected ? whyStale(name, issuedAt, clock) : RESTARTING
    const id = randomUUID()
    this.#driver.drive({ ...this.#envelope(command), id, params }, place, refused).then(
      (dropped) => {
        if (dropped === undefined) this.#pending.addDrive(name, command, id)
        else this.#pending.rejectDrive(name, command, dropped)
      },
      (err: Error) => this.#pending.rejectDrive(name, command, err.message),
    )
  }

  #placeOf({ seq, ts }: CommandMessage['params'], issuedAt: number | undefined): StreamPlace {
    const sentAt = sendTime(ts) ?? issuedAt
    const age = sentAt === undefined ? undefined : this.#entrance.clock.age(sentAt)
    return { seq, ts: sentAt ?? ts, age: age ?? null }
  }

  #envelope({ issuedAt }: Named) {
    const { sessionId } = this.#sender
    return {
      ...(sessionId === undefined ? {} : { session_id: sessionId }),
      ...(issuedAt === undefined ? {} : { issued_at: issuedAt }),
      received_at: Date.now(),
    }
  }
}

/** The `ts` of a drive command as ms since the epoch; undefined where it is no time of day, such as one since the app's start. */
function sendTime(ts: unknown): number | undefined {
  const time = wireTime(ts)
  return time !== undefined && time >= EARLIEST_SEND ? time : undefined
}

function refusal(error: string): Outcome {
  return { success: false, error }
}
