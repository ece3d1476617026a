import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import type { CommandResult } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { parseCommand } from './command-frame.ts'
import type { Frame } from './frame.ts'
import type { Link } from './link.ts'

/** Time that a robot service has to answer a command, ms. A treat may jam and be freed (FIELD_FAILURES B21). */
const TIMEOUTS: Readonly<Record<string, number>> = {
  treat: 35_000,
  dispense_treat: 35_000,
  record_video: 45_000,
}
const TIMEOUT = 5_000
/** Commands that wait for their result, at most. */
const MAX_PENDING = 256

interface Outcome {
  success: boolean
  error?: string | undefined
}

interface Pending {
  command: string
  echo: Record<string, unknown>
  timer: NodeJS.Timeout
}

/**
 * Takes commands of the app and hands them to the robot's services on `command/<name>`; the matching `command-result`
 * becomes the `command_ack`, so that an acknowledgement says what really happened (FIELD_FAILURES B06).
 */
export class CommandGate implements Disposable {
  readonly #bus: Bus
  readonly #deviceId: string
  readonly #link: () => Pick<Link, 'send'> | undefined
  readonly #pending = new Map<string, Pending>()

  constructor(bus: Bus, deviceId: string, link: () => Pick<Link, 'send'> | undefined) {
    this.#bus = bus
    this.#deviceId = deviceId
    this.#link = link
  }

  /** Begins to listen for results. */
  async listen(): Promise<void> {
    await this.#bus.subscribe(topics.commandResult, (result) => this.#answered(result))
  }

  /** One command frame. */
  take(frame: Frame): void {
    const { name, params, issuedAt, echo } = parseCommand(frame)
    if (name === undefined) {
      this.#acknowledge('unknown', echo, { success: false, error: 'no command named' })
    } else if (this.#pending.size >= MAX_PENDING) {
      this.#acknowledge(name, echo, { success: false, error: 'too many commands are waiting' })
    } else {
      this.#handOver(name, params, issuedAt, echo)
    }
  }

  /** Nobody will wait any longer: says so to the app, while the link still stands. */
  [Symbol.dispose](): void {
    for (const id of this.#pending.keys()) this.#settle(id, { success: false, error: 'the robot stops' })
  }

  #handOver(
    name: string,
    params: Record<string, unknown>,
    issuedAt: number | undefined,
    echo: Record<string, unknown>,
  ): void {
    const id = randomUUID()
    const timer = setTimeout(() => {
      this.#settle(id, { success: false, error: 'nothing on the robot answered this command' })
    }, timeoutOf(name))
    this.#pending.set(id, { command: name, echo, timer })
    const command = {
      id,
      name,
      params,
      source: 'relay' as const,
      ...(issuedAt === undefined ? {} : { issued_at: issuedAt }),
      received_at: Date.now(),
    }
    const said =
      name === 'motor'
        ? this.#bus.publish(topics.motor, command)
        : this.#bus.publish(topics.command, command, { name })
    said.catch((err: Error) => this.#settle(id, { success: false, error: err.message }))
  }

  #answered({ id, name: _, ...result }: z.infer<typeof CommandResult>): void {
    this.#settle(id, result)
  }

  #settle(id: string, result: Outcome): void {
    const pending = this.#pending.get(id)
    if (!pending) return
    clearTimeout(pending.timer)
    this.#pending.delete(id)
    this.#acknowledge(pending.command, pending.echo, result)
  }

  #acknowledge(command: string, echo: Record<string, unknown>, result: Outcome): void {
    this.#link()?.send({ ...result, ...echo, type: 'command_ack', device_id: this.#deviceId, command })
  }
}

/** The name may be any text, also one that every object inherits. */
function timeoutOf(name: string): number {
  return Object.hasOwn(TIMEOUTS, name) ? (TIMEOUTS[name] ?? TIMEOUT) : TIMEOUT
}
