/** The room of frames between relay and bus, both directions. */
import { EventEmitter } from 'node:events'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import type { Params, Topic } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { relayHttp } from '#lib/http/relay-address.ts'
import { isObject } from '#lib/json-object.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import type { CloudMessages } from '../app-state/cloud-messages.ts'
import type { RelayCommands } from '../commands/relay-commands.ts'
import { type Frame, kindOf, parseFrame } from '../protocol/frame.ts'
import { FrameLimits } from '../protocol/frame-limits.ts'
import { FrameQueue } from './frame-queue.ts'
import type { PendingRequests } from './pending-requests.ts'
import type { SnapshotForwarder } from './snapshot-forwarder.ts'

/** Sessions that the relay requested and has not ended; the oldest is dropped beyond this. */
const MAX_SESSIONS = 64

/** Meant for apps. */
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

/** Frames that end a session, and stop the motors. */
const ENDS: ReadonlySet<string> = new Set(['webrtc_close', 'session_ended', 'user_disconnected'])

interface InboundEvents {
  /** A frame to send back. */
  reply: [Frame]
  /** The answer to a ping of the bridge. */
  pong: []
  /** Any other frame: the relay routes to this robot. */
  routed: []
  /** An app connected, or the last one left. */
  appPresent: [boolean]
}

interface InboundDeps {
  bus: Bus
  relay: URL
  commands: RelayCommands
  requests: PendingRequests
  snapshots: Pick<SnapshotForwarder, 'request'>
  /** Takes everything that is neither signaling nor a command. */
  cloud: CloudMessages
  deviceId: string
  log: Logger
}

/** Maps frames of the relay to messages on the bus. Accepts any text, never throws, never waits. */
export class InboundFrames extends EventEmitter<InboundEvents> implements Disposable {
  readonly #deps: InboundDeps
  readonly #dropped: EventCounter
  readonly #sessions = new Set<string>()
  /** Sessions of viewers that offer; they do not end with the app. */
  readonly #players = new Set<string>()
  /** Sessions, of both kinds, that may only watch. */
  readonly #watching = new Set<string>()
  /** Handled on arrival, before frames that wait. */
  readonly #urgent: ReadonlyMap<string, (frame: Frame) => void>
  /** Handled in order. */
  readonly #ordered: ReadonlyMap<string, (frame: Frame) => Promise<void>>
  readonly #queue: FrameQueue
  readonly #known: ReadonlySet<string>
  readonly #limits: FrameLimits

  constructor(deps: InboundDeps) {
    super()
    this.#deps = deps
    this.#dropped = createEventCounter(deps.log, 'frames of the relay dropped', { every: 10_000 })
    this.#queue = new FrameQueue(deps.bus)
    this.#urgent = new Map<string, (frame: Frame) => void>([
      ['command', (frame) => deps.commands.handle(withAbsoluteUrl(frame, deps.relay))],
      [
        'ping',
        () => this.emit('reply', { type: 'pong', device_id: deps.deviceId, timestamp: Date.now() / 1000 }),
      ],
      ['pong', () => this.emit('pong')],
      ['snapshot_request', (frame) => deps.snapshots.request(frame)],
      ...IGNORED.map((type) => [type, () => {}] as const),
    ])
    this.#ordered = new Map<string, (frame: Frame) => Promise<void>>([
      ['webrtc_request', (frame) => this.#request(frame)],
      ['webrtc_answer', (frame) => this.#answer(frame)],
      ['webrtc_offer', (frame) => this.#restart(frame)],
      ['webrtc_ice', (frame) => this.#candidate(frame)],
      ['webrtc_close', (frame) => this.#close(sessionIdOf(frame), reasonOf(frame, 'closed by the app'))],
      ['session_ended', (frame) => this.#close(sessionIdOf(frame), reasonOf(frame, 'session ended'))],
      ['user_connected', (frame) => this.#user(frame, true)],
      ['user_disconnected', (frame) => this.#user(frame, false)],
    ])
    this.#known = new Set([...this.#urgent.keys(), ...this.#ordered.keys(), ...deps.cloud.types])
    this.#limits = new FrameLimits(this.#known)
  }

  /** One text frame. */
  ingest(text: string): void {
    try {
      const frame = parseFrame(text)
      if (typeof frame.device_id === 'string' && frame.device_id !== this.#deps.deviceId) {
        throw new ContractError('for another device')
      }
      const kind = kindOf(frame, this.#known)
      if (kind !== 'pong') this.emit('routed')
      // drive commands over the relay carry no session id, so every end stops the motors, at once and at any rate
      // (docs/motor-safety.md)
      if (ENDS.has(kind) && !this.#cannotDrive(frame)) this.#deps.commands.halt()
      if (!this.#limits.take(kind)) {
        this.#dropped.count(`too many: ${this.#limits.nameOf(kind)}`)
        return
      }
      const urgent = this.#urgent.get(kind)
      if (urgent) urgent(frame)
      else if (!this.#queue.push(text.length, () => this.#handle(kind, frame)))
        this.#dropped.count('too many waiting')
    } catch (err) {
      this.#drop(err)
    }
  }

  /** webrtc has restarted: the relay would keep the sessions of players, which send nothing by themselves. It echoes each close. */
  endPlayers(): void {
    const { deviceId: device_id, requests } = this.#deps
    for (const session_id of this.#players) {
      if (requests.has(session_id)) continue
      this.emit('reply', { type: 'webrtc_close', device_id, session_id, reason: 'service-restarted' })
    }
  }

  [Symbol.dispose](): void {
    this.#queue[Symbol.dispose]()
    this.#dropped[Symbol.dispose]()
  }

  async #handle(kind: string, frame: Frame): Promise<void> {
    try {
      await (this.#ordered.get(kind)?.(frame) ?? this.#deps.cloud.ingest(kind, frame))
    } catch (err) {
      this.#drop(err)
    }
  }

  async #request(frame: Frame): Promise<void> {
    const session_id = sessionIdOf(frame)
    const { ice_servers, offer, talk } = frame
    const sessions = offer === undefined ? this.#sessions : this.#players
    this.#sessions.delete(session_id)
    this.#players.delete(session_id)
    this.#watching.delete(session_id)
    remember(sessions, session_id)
    if (frame.role === 'watch') remember(this.#watching, session_id)
    await this.#deps.requests.request({
      session_id,
      ice_servers,
      ...(talk === true ? { talk } : {}),
      ...(offer === undefined ? {} : { offer: { type: 'offer' as const, sdp: sdpOf(frame, offer) } }),
      ...(frame.role === 'watch' ? { role: 'watch' as const } : {}),
    })
  }

  async #restart(frame: Frame): Promise<void> {
    const session_id = sessionIdOf(frame)
    if (!this.#players.has(session_id)) throw new ContractError('webrtc_offer without a session of a player')
    await this.#publish(topics.whepRestart, {
      session_id,
      sdp: { type: 'offer', sdp: sdpOf(frame, frame.sdp) },
    })
  }

  async #answer(frame: Frame): Promise<void> {
    const sdp = { type: 'answer', sdp: sdpOf(frame, frame.sdp) }
    await this.#publish(topics.answer, { session_id: sessionIdOf(frame), sdp })
  }

  async #candidate(frame: Frame): Promise<void> {
    const { candidate } = frame
    if (candidate !== null && !isObject(candidate)) throw new ContractError('webrtc_ice without a candidate')
    await this.#publish(topics.remoteCandidate, { session_id: sessionIdOf(frame), candidate })
  }

  /** A player (WHEP) and a viewer that only watches send no drive commands: their end does not stop the app that drives. */
  #cannotDrive({ type, session_id }: Frame): boolean {
    if (type !== 'webrtc_close' || typeof session_id !== 'string') return false
    return this.#players.has(session_id) || this.#watching.has(session_id)
  }

  async #close(session_id: string, reason: string): Promise<void> {
    this.#sessions.delete(session_id)
    this.#players.delete(session_id)
    this.#watching.delete(session_id)
    this.#deps.requests.forget(session_id)
    await this.#publish(topics.close, { session_id, reason })
  }

  async #user(frame: Frame, present: boolean): Promise<void> {
    this.emit('appPresent', present)
    if (present) this.#deps.commands.appConnected()
    const closed = present ? [] : [...this.#sessions].map((id) => this.#close(id, 'the app is gone'))
    const type = present ? 'user_connected' : 'user_disconnected'
    await Promise.all([...closed, this.#publish(topics.cloud, frame, { type })])
  }

  /** The bus validates the payload. */
  async #publish<T, P extends string>(
    topic: Topic<T, P>,
    payload: unknown,
    ...params: Params<P>
  ): Promise<void> {
    await this.#deps.bus.publish(topic, payload as T, ...params)
  }

  /** A malformed frame must neither end the process nor fill the log. */
  #drop(err: unknown): void {
    const { name, message } = err as Error
    this.#dropped.count(
      err instanceof ContractError ? message.slice(0, 120) : `${name}: ${message}`.slice(0, 120),
    )
  }
}

/** Adds an id; the oldest is forgotten where there are too many. */
function remember(ids: Set<string>, id: string): void {
  ids.add(id)
  const [oldest] = ids
  if (ids.size > MAX_SESSIONS && oldest !== undefined) ids.delete(oldest)
}

/** The relay names the song of `download_song` by a path of its own. */
function withAbsoluteUrl(frame: Frame, relay: URL): Frame {
  if (frame.command !== 'download_song') return frame
  const { data } = frame
  const resolved = { ...frame, ...absoluteUrl(frame, relay) }
  return isObject(data) ? { ...resolved, data: { ...data, ...absoluteUrl(data, relay) } } : resolved
}

function absoluteUrl({ url }: Frame, relay: URL): { url?: string } {
  const absolute = typeof url === 'string' ? URL.parse(url, relayHttp(relay, '/')) : null
  return absolute && /^https?:$/.test(absolute.protocol) ? { url: absolute.href } : {}
}

function sdpOf({ type }: Frame, description: unknown): string {
  const text = isObject(description) ? description.sdp : description
  if (typeof text !== 'string') throw new ContractError(`${String(type)} without an SDP`)
  return text
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
