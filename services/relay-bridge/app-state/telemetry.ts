import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import type { SessionSummary } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import type { Link } from '../connection/relay-connection.ts'
import { plainEventFrame } from '../protocol/event-encoder.ts'
import type { Frame } from '../protocol/frame.ts'
import { type Report, snapshotFrames } from './registration-snapshot.ts'
import { statusData } from './status.ts'

/** Times in ms. */
export interface TelemetryTimes {
  /** While an app may be there the robot’s state is told this often (API_CONTRACT 0). */
  every: number
  /** After an app came its handlers need a moment; five logins in four seconds are one (FIELD_FAILURES A17, C24). */
  afterLogin: number
  /** An app that comes again and again is not put off longer than this. */
  atMost: number
  /** After a registration the relay may still say "offline" of our old socket; this corrects it (FIELD_FAILURES A04). */
  again: number
}

const TELEMETRY_TIMES: TelemetryTimes = {
  every: 5_000,
  afterLogin: 1_000,
  atMost: 4_000,
  again: 2_500,
}

/** Robot services that report, at most. */
const MAX_SOURCES = 64

interface TelemetryDeps {
  bus: Bus
  link: () => Pick<Link, 'send' | 'registered'> | undefined
  deviceId: string
  shareHotspotPassword: boolean
  log: Logger
  times?: TelemetryTimes | undefined
}

/** Gathers what the robot's services report and tells the apps: a snapshot when somebody comes, `status` ever after. */
export class Telemetry implements Disposable {
  readonly #deps: TelemetryDeps
  readonly #times: TelemetryTimes
  readonly #unsent: EventCounter
  readonly #reports = new Map<string, Report>()
  readonly #timer: NodeJS.Timeout
  #again: NodeJS.Timeout | undefined
  #login: { timer: NodeJS.Timeout; first: number } | undefined
  #vision: Record<string, unknown> = {}
  #sessions: readonly SessionSummary[] = []
  /** Unknown after a reconnect, so an app is assumed (FIELD_FAILURES A18). */
  #appPresent = true

  constructor(deps: TelemetryDeps) {
    this.#deps = deps
    this.#times = deps.times ?? TELEMETRY_TIMES
    this.#unsent = createEventCounter(deps.log, 'telemetry that cannot be sent to the relay')
    this.#timer = setInterval(() => {
      if (this.#appPresent) this.#sendStatus()
    }, this.#times.every)
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

  /** The relay knows us, but does not say whether an app is there: everything is told, and soon once more. */
  registered(): void {
    this.#appPresent = true
    this.#forgetLogin()
    this.#sendAll()
    clearTimeout(this.#again)
    this.#again = setTimeout(() => this.#sendStatus(), this.#times.again)
  }

  /** An app came or went. */
  appPresent(present: boolean): void {
    this.#appPresent = present
    const first = this.#login?.first ?? performance.now()
    this.#forgetLogin()
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
    this.#forgetLogin()
    this.#unsent[Symbol.dispose]()
  }

  #forgetLogin(): void {
    clearTimeout(this.#login?.timer)
    this.#login = undefined
  }

  #take(source: string, fields: Record<string, unknown> | null): void {
    const before = this.#reports.get(source)
    this.#reports.delete(source) // the newest report comes last
    if (fields === null) return
    const isNews = !isDeepStrictEqual(before?.fields, fields)
    const { id, at } = (isNews ? undefined : before) ?? { id: randomId(), at: Date.now() }
    this.#reports.set(source, { fields, id, at })
    const [oldest] = this.#reports.keys()
    if (this.#reports.size > MAX_SOURCES && oldest !== undefined) this.#reports.delete(oldest)
    // the relay keeps the newest network_state for apps that come later (API_CONTRACT 2.4)
    if (source === 'network_state' && isNews) this.#sendSnapshot(['network_state'])
  }

  #sendAll(): void {
    this.#sendSnapshot(['mode', 'battery', 'network_state'])
    this.#sendStatus()
  }

  #sendSnapshot(sources: readonly string[]): void {
    const reports = new Map([...this.#reports].filter(([source]) => sources.includes(source)))
    this.#tell(() => snapshotFrames(reports, this.#deps))
  }

  #sendStatus(): void {
    // what the hotspot is called and its password are no part of it
    const sources = [...this.#reports].filter(([source]) => source !== 'network_state')
    const data = statusData(
      sources.map(([, { fields }]) => fields),
      this.#vision,
      this.#sessions,
    )
    const identity = { deviceId: this.#deps.deviceId, at: Date.now() }
    this.#tell(() => [plainEventFrame('status', { data }, identity)])
  }

  /** Never kept for later: nobody wants the state of a minute ago. */
  #tell(frames: () => Frame[]): void {
    const link = this.#deps.link()
    if (!link?.registered) return
    try {
      for (const frame of frames()) link.send(frame)
    } catch (err) {
      if (!(err instanceof ContractError)) throw err
      this.#unsent.count(err.message)
    }
  }
}

function randomId(): string {
  return randomUUID().replaceAll('-', '')
}
