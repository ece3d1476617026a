import type { Bus } from '#bus/bus.ts'
import type { SessionSummary } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { plainEventFrame } from './envelope.ts'
import type { Link } from './link.ts'
import { statusData } from './status.ts'

/** While an app may be there the robot’s state is told this often, ms (API_CONTRACT 0). */
const EVERY = 5_000
/** After an app came its handlers need a moment; five logins in four seconds are one (FIELD_FAILURES A17, C24). */
const AFTER_LOGIN = 1_000
/** Robot services that report, at most. */
const MAX_SOURCES = 64

interface TelemetryDeps {
  bus: Bus
  link: () => Pick<Link, 'send' | 'registered'> | undefined
  deviceId: string
  every?: number
  afterLogin?: number
}

/** Gathers what the robot's services report and tells the apps in the `status` event. */
export class Telemetry implements Disposable {
  readonly #deps: TelemetryDeps
  readonly #sources = new Map<string, Record<string, unknown>>()
  readonly #timer: NodeJS.Timeout
  #login: NodeJS.Timeout | undefined
  #vision: Record<string, unknown> = {}
  #sessions: readonly SessionSummary[] = []
  /** Unknown after a reconnect, so an app is assumed (FIELD_FAILURES A18). */
  #appPresent = true

  constructor(deps: TelemetryDeps) {
    this.#deps = deps
    this.#timer = setInterval(() => {
      if (this.#appPresent) this.send()
    }, deps.every ?? EVERY)
  }

  /** Begins to listen to the bus. */
  async listen(): Promise<void> {
    const { bus } = this.#deps
    await bus.subscribe(topics.telemetry, (fields, { params: { source } }) => this.#take(source, fields))
    await bus.subscribe(topics.sessions, (sessions) => {
      this.#sessions = sessions
    })
    const visionState = (state: Record<string, unknown>) => {
      this.#vision = state
    }
    await bus.subscribe(topics.serviceState, visionState, { service: 'vision' })
  }

  /** An app came or went; null when the relay has not said. */
  appPresent(present: boolean | null): void {
    this.#appPresent = present ?? true
    clearTimeout(this.#login)
    if (present) this.#login = setTimeout(() => this.send(), this.#deps.afterLogin ?? AFTER_LOGIN)
  }

  /** Tells now. Never kept for later: nobody wants the state of a minute ago. */
  send(): void {
    const { link, deviceId } = this.#deps
    if (!link()?.registered) return
    const data = statusData(this.#sources.values(), this.#vision, this.#sessions)
    link()?.send(plainEventFrame('status', { data }, { deviceId, at: Date.now() }))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    clearTimeout(this.#login)
  }

  #take(source: string, fields: Record<string, unknown>): void {
    this.#sources.delete(source) // the newest report comes last
    this.#sources.set(source, fields)
    const [oldest] = this.#sources.keys()
    if (this.#sources.size > MAX_SOURCES && oldest !== undefined) this.#sources.delete(oldest)
  }
}
