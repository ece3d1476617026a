import { randomUUID } from 'node:crypto'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { ActuatorLimits, type CommandLimits } from '#commands/actuators.ts'
import type { Control } from '#commands/controls.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import { TokenBucket } from '#lib/token-bucket.ts'
import { type Request, requestOf } from './controls.ts'
import type { Report } from './happenings.ts'

interface ReceiverOptions {
  bus: Bus
  log: Logger
  /** `homeassistant.controls` */
  controls: readonly Control[]
  limits: CommandLimits
  /** The outcome of each command. */
  report: Report
  /** Longest wait for the result of a command (ms). */
  timeoutMs?: number
}

/** Controls at once, as by a scene, and then a second; `stop` is never counted. */
const BURST = 20
const RATE = 5
const MAX_PENDING = 32
/** Services that a restart concerns: not the broker, nor this one. */
const RESTARTED = ['vision', 'webrtc', 'audio', 'relay-bridge']

/** A command without its outcome. */
interface Pending {
  control: Control
  timer: NodeJS.Timeout
}

/** Makes commands of what Home Assistant publishes on `homeassistant/set/<control>`. Driving is none of the controls. */
export class ControlReceiver implements Disposable {
  readonly #options: ReceiverOptions
  readonly #limits: ActuatorLimits
  readonly #pace = new TokenBucket(BURST, RATE)
  readonly #pending = new Map<string, Pending>()
  readonly #dropped: EventCounter
  readonly #stack = new DisposableStack()

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#dropped = this.#stack.use(createEventCounter(options.log, 'controls of Home Assistant dropped'))
    this.#limits = new ActuatorLimits(options.limits)
  }

  /** Resolves after the SUBACKs. */
  async start(): Promise<void> {
    const { bus, controls } = this.#options
    if (controls.length === 0) return
    this.#stack.use(await this.#limits.follow(bus))
    this.#stack.use(await bus.subscribe(topics.commandResult, (result) => this.#answered(result)))
    for (const control of controls) {
      const onUse = (payload: Buffer) => this.#use(control, payload.toString())
      this.#stack.use(await bus.subscribe(topics.control, onUse, { control }))
    }
  }

  [Symbol.dispose](): void {
    this.#stack.dispose()
    for (const { timer } of this.#pending.values()) clearTimeout(timer)
    this.#pending.clear()
  }

  #use(control: Control, payload: string): void {
    // no other rule may delay a stop
    if (control !== 'stop' && (!this.#pace.take() || this.#pending.size >= MAX_PENDING)) {
      this.#dropped.count(control)
      return
    }
    const request = requestOf(control, payload)
    if (!request) this.#finish(control, 'invalid value')
    else if (request.name === 'restart') this.#restart(control)
    else if (control === 'stop') this.#stop(control, request)
    else this.#send(control, request)
  }

  /** A motor service stops, and need not answer (docs/motor-safety.md). */
  #stop(control: Control, { name, params }: Request): void {
    const command = {
      id: randomUUID(),
      name,
      params,
      source: 'homeassistant' as const,
      received_at: Date.now(),
    }
    this.#options.bus.publish(topics.command, command, { name }).then(
      () => this.#finish(control),
      (err: Error) => this.#finish(control, err.message),
    )
  }

  #send(control: Control, { name, params }: Request): void {
    const { bus, timeoutMs = 15_000 } = this.#options
    const wait = this.#limits.waitFor(name, params)
    if (wait !== undefined) {
      this.#finish(control, `too often: again in ${Math.ceil(wait / 1_000)} s`)
      return
    }
    const id = randomUUID()
    const timer = setTimeout(() => this.#answered({ id, success: false, error: 'no answer' }), timeoutMs)
    this.#pending.set(id, { control, timer })
    this.#limits.published(id, name)
    const command = { id, name, params, source: 'homeassistant' as const, received_at: Date.now() }
    bus
      .publish(topics.command, command, { name })
      .catch((err: Error) => this.#answered({ id, success: false, error: err.message }))
  }

  #restart(control: Control): void {
    const { bus } = this.#options
    const sent = RESTARTED.map((service) => bus.publish(topics.restart, {}, { service }))
    Promise.all(sent).then(
      () => this.#finish(control),
      (err: Error) => this.#finish(control, err.message),
    )
  }

  #answered({ id, success, error }: { id: string; success: boolean; error?: string | undefined }): void {
    const pending = this.#pending.get(id)
    if (!pending) return
    this.#pending.delete(id)
    clearTimeout(pending.timer)
    this.#finish(pending.control, success ? undefined : (error ?? 'failed'))
  }

  #finish(control: Control, error?: string): void {
    const { log, report } = this.#options
    if (error === undefined) {
      log.info({ control }, 'control of Home Assistant executed')
      report('command', 'done', { control })
    } else {
      log.warn({ control, error: error.slice(0, 200) }, 'control of Home Assistant failed')
      report('command', 'failed', { control, error: error.slice(0, 200) })
    }
  }
}
