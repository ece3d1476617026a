import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import type { Params, Topic } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import type { CloudMessages } from '../app-state/cloud-messages.ts'
import type { CommandGate } from '../commands/command-gate.ts'
import type { Link } from '../connection/relay-connection.ts'
import { type Frame, isObject, kindOf, parseFrame } from '../protocol/frame.ts'

/** Ids of sessions that the relay asked for and has not ended; bounded, the oldest is forgotten. */
const MAX_SESSIONS = 64

/** What only apps are told, and liveness: no news for the robot. API_CONTRACT 2.1. */
const IGNORED = [
  'auth_result',
  'webrtc_credentials',
  'robot_status',
  'session_ack',
  'session_restored',
  'session_superseded',
  'battery_snapshot',
  'metrics_sync',
  'status_response',
  'error',
]

interface FromRelayDeps {
  bus: Bus
  link: Pick<Link, 'send' | 'note'>
  commands: CommandGate
  /** Everything that is neither signalling nor a command. */
  cloud: CloudMessages
  deviceId: string
  log: Logger
  /** The answer to a ping of ours. */
  onPong(): void
  /** Anything else: the relay routes to us. */
  onRouted(): void
}

/** The mapping table from frames of the relay to messages on the bus. Takes any text, throws nothing, waits for nothing. */
export class FromRelay implements Disposable {
  readonly #deps: FromRelayDeps
  readonly #tally: EventCounter
  readonly #sessions = new Set<string>()
  readonly #handlers: ReadonlyMap<string, (frame: Frame) => void>
  readonly #known: ReadonlySet<string>

  constructor(deps: FromRelayDeps) {
    this.#deps = deps
    this.#tally = createEventCounter(deps.log, 'frames of the relay dropped', { every: 10_000 })
    this.#handlers = new Map<string, (frame: Frame) => void>([
      ['webrtc_request', (frame) => this.#request(frame)],
      ['webrtc_answer', (frame) => this.#answer(frame)],
      ['webrtc_ice', (frame) => this.#candidate(frame)],
      ['webrtc_close', (frame) => this.#close(sessionIdOf(frame), reasonOf(frame, 'closed by the app'))],
      ['session_ended', (frame) => this.#close(sessionIdOf(frame), reasonOf(frame, 'session ended'))],
      ['command', (frame) => deps.commands.take(frame)],
      ['user_connected', (frame) => this.#user(frame, true)],
      ['user_disconnected', (frame) => this.#user(frame, false)],
      [
        'ping',
        () => void deps.link.send({ type: 'pong', device_id: deps.deviceId, timestamp: Date.now() / 1000 }),
      ],
      ['pong', () => deps.onPong()],
      ...IGNORED.map((type) => [type, () => {}] as const),
    ])
    this.#known = new Set([...this.#handlers.keys(), ...deps.cloud.types])
  }

  /** One text frame. */
  take(text: string): void {
    try {
      const frame = parseFrame(text)
      if (typeof frame.device_id === 'string' && frame.device_id !== this.#deps.deviceId) {
        throw new ContractError('for another device')
      }
      const kind = kindOf(frame, this.#known)
      if (kind !== 'pong') this.#deps.onRouted()
      const handle = this.#handlers.get(kind)
      if (handle) handle(frame)
      else this.#deps.cloud.take(kind, frame).catch((err: unknown) => this.#dropped(err))
    } catch (err) {
      this.#dropped(err)
    }
  }

  [Symbol.dispose](): void {
    this.#tally[Symbol.dispose]()
  }

  #request(frame: Frame): void {
    const session_id = sessionIdOf(frame)
    this.#sessions.delete(session_id)
    this.#sessions.add(session_id)
    const [oldest] = this.#sessions
    if (this.#sessions.size > MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest)
    this.#publish(topics.request, { session_id, ice_servers: frame.ice_servers })
  }

  #answer(frame: Frame): void {
    const { sdp } = frame
    const text = isObject(sdp) ? sdp.sdp : sdp
    if (typeof text !== 'string') throw new ContractError('webrtc_answer without an SDP')
    this.#publish(topics.answer, { session_id: sessionIdOf(frame), sdp: { type: 'answer', sdp: text } })
  }

  #candidate(frame: Frame): void {
    const { candidate } = frame
    if (candidate !== null && !isObject(candidate)) throw new ContractError('webrtc_ice without a candidate')
    this.#publish(topics.remoteCandidate, { session_id: sessionIdOf(frame), candidate })
  }

  #close(session_id: string, reason: string): void {
    // who drives over the relay has no session, but who ends one does not want to drive (API_CONTRACT 3.3 rule 2)
    this.#deps.commands.halt()
    this.#sessions.delete(session_id)
    this.#publish(topics.close, { session_id, reason })
  }

  #user(frame: Frame, present: boolean): void {
    this.#deps.link.note({ app_present: present })
    if (!present) this.#deps.commands.halt()
    if (!present) for (const id of this.#sessions) this.#close(id, 'the app is gone')
    this.#publish(topics.cloud, frame, { type: present ? 'user_connected' : 'user_disconnected' })
  }

  /** The bus checks the shape. */
  #publish<T, P extends string>(topic: Topic<T, P>, payload: unknown, ...params: Params<P>): void {
    this.#deps.bus.publish(topic, payload as T, ...params).catch((err: unknown) => this.#dropped(err))
  }

  /** Whatever it is: one bad frame must not end the process, nor fill the log. */
  #dropped(err: unknown): void {
    const { name, message } = err as Error
    this.#tally.count(
      err instanceof ContractError ? message.slice(0, 120) : `${name}: ${message}`.slice(0, 120),
    )
  }
}

function sessionIdOf(frame: Frame): string {
  if (typeof frame.session_id !== 'string' || frame.session_id === '') {
    throw new ContractError(`${String(frame.type)} without a session_id`)
  }
  return frame.session_id
}

function reasonOf(frame: Frame, otherwise: string): string {
  return typeof frame.reason === 'string' ? frame.reason.slice(0, 200) : otherwise
}
