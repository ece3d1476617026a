import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import type { SessionSummary } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import { plainEventFrame } from '../protocol/event-encoder.ts'
import type { Frame } from '../protocol/frame.ts'
import { type Reading, snapshotFrames } from './registration-snapshot.ts'
import { statusData } from './status.ts'

/** Times in ms. */
export interface TelemetryTimes {
  /** Interval of the `status` event while an app may be connected. */
  every: number
  /** Delay after `user_connected`: app handlers start late, and five logins in 4 s are one (docs/field-failures.md, A17, C24). */
  afterLogin: number
  /** Longest delay of an app that reconnects repeatedly. */
  atMost: number
  /** Second `status` after a registration: the relay may report the old socket's end after it (docs/field-failures.md, A04). */
  again: number
}

const TELEMETRY_TIMES: TelemetryTimes = {
  every: 5_000,
  afterLogin: 1_000,
  atMost: 4_000,
  again: 2_500,
}

/** An app waits 10 s for a mode; the relay keeps the newest network_state and battery for apps that connect later. */
const SENT_ON_CHANGE = new Set(['mode', 'battery', 'network_state'])

/** The source that reported longest ago is dropped beyond this. */
const MAX_SOURCES = 64

interface TelemetryDeps {
  bus: Bus
  connection: { readonly registered: boolean; send(frame: Frame): boolean }
  deviceId: string
  shareHotspotPassword: boolean
  log: Logger
  times?: TelemetryTimes | undefined
}

/** Collects the telemetry of the robot's services and sends it to the apps: a snapshot on connect, then `status` in intervals. */
export class Telemetry implements Disposable {
  readonly #deps: TelemetryDeps
  readonly #times: TelemetryTimes
  readonly #rejected: EventCounter
  readonly #readings = new Map<string, Reading>()
  readonly #timer: NodeJS.Timeout
  #again: NodeJS.Timeout | undefined
  #login: { timer: NodeJS.Timeout; first: number } | undefined
  #vision: Record<string, unknown> = {}
  #sessions: readonly SessionSummary[] = []
  /** Unknown after a reconnect, so an app is assumed (docs/field-failures.md, A18). */
  #appPresent = true

  constructor(deps: TelemetryDeps) {
    this.#deps = deps
    this.#times = deps.times ?? TELEMETRY_TIMES
    this.#rejected = createEventCounter(deps.log, 'telemetry rejected: not allowed on the relay')
    this.#timer = setInterval(() => {
      if (this.#appPresent) this.#sendStatus()
    }, this.#times.every)
  }

  /** Subscribes on the bus. */
  async listen(): Promise<void> {
    const { bus } = this.#deps
    await Promise.all([
      bus.subscribe(topics.telemetry, (fields, { params: { source } }) => this.#ingest(source, fields)),
      bus.subscribe(topics.sessions, (sessions) => {
        this.#sessions = sessions
      }),
      bus.subscribe(topics.visionState, (state) => {
        this.#vision = state
      }),
    ])
  }

  /** The connection is registered. The relay does not report whether an app is connected, so all is sent, and soon once more. */
  registered(): void {
    this.#appPresent = true
    this.#cancelLogin()
    this.#sendAll()
    clearTimeout(this.#again)
    this.#again = setTimeout(() => this.#sendStatus(), this.#times.again)
  }

  /** An app connected or disconnected. */
  appPresent(present: boolean): void {
    this.#appPresent = present
    const first = this.#login?.first ?? performance.now()
    this.#cancelLogin()
    if (!present) return
    const left = first + this.#times.atMost - performance.now()
    const timer = setTimeout(
      () => {
        this.#login = undefined
        this.#sendAll()
      },
      Math.max(0, Math.min(this.#times.afterLogin, left)),
    )
    this.#login = { timer, first }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    clearTimeout(this.#again)
    this.#cancelLogin()
    this.#rejected[Symbol.dispose]()
  }

  #cancelLogin(): void {
    clearTimeout(this.#login?.timer)
    this.#login = undefined
  }

  #ingest(source: string, fields: Record<string, unknown> | null): void {
    const before = this.#readings.get(source)
    this.#readings.delete(source) // so that the newest is last
    if (fields === null) return
    const changed = !isDeepStrictEqual(before?.fields, fields)
    const { id, at } = (changed ? undefined : before) ?? { id: randomId(), at: Date.now() }
    this.#readings.set(source, { fields, id, at })
    const [oldest] = this.#readings.keys()
    if (this.#readings.size > MAX_SOURCES && oldest !== undefined) this.#readings.delete(oldest)
    if (changed && SENT_ON_CHANGE.has(source)) this.#sendSnapshot([source])
  }

  #sendAll(): void {
    this.#sendSnapshot(['mode', 'battery', 'network_state'])
    this.#sendStatus()
  }

  #sendSnapshot(sources: readonly string[]): void {
    const readings = new Map([...this.#readings].filter(([source]) => sources.includes(source)))
    this.#send(() => snapshotFrames(readings, this.#deps))
  }

  #sendStatus(): void {
    // without the hotspot's name and password
    const sources = [...this.#readings].filter(([source]) => source !== 'network_state')
    const data = statusData(
      sources.map(([, { fields }]) => fields),
      this.#vision,
      this.#sessions,
    )
    const identity = { deviceId: this.#deps.deviceId, at: Date.now() }
    this.#send(() => [plainEventFrame('status', { data }, identity)])
  }

  /** Sends now or never: old state is of no use later. */
  #send(frames: () => Frame[]): void {
    const { connection } = this.#deps
    if (!connection.registered) return
    try {
      for (const frame of frames()) connection.send(frame)
    } catch (err) {
      if (!(err instanceof ContractError)) throw err
      this.#rejected.count(err.message)
    }
  }
}

function randomId(): string {
  return randomUUID().replaceAll('-', '')
}
