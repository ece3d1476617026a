import { type RawData, WebSocket } from 'ws'
import { type Frame, isObject, parseJson, text } from './frame.ts'
import type { Hub, RobotConnection } from './hub.ts'
import { keepAlive, sendFrame } from './ws-send.ts'

/** Signaling of one session. */
const ROUTED = new Set(['webrtc_offer', 'webrtc_answer', 'webrtc_ice'])
/** Frames without sequence number (docs/relay-protocol.md, events). */
const UNSEQUENCED = new Set(['pong', 'heartbeat', 'battery', 'network_state'])
/** The relay in the cloud disconnects a robot whose `data` is not an object in these frames. */
const NEEDS_DATA_OBJECT = /^(status_update|mission_progress|schedule_)/
/** Characters that a robot may send before it is registered, and what a frame counts beside them. */
const MAX_EARLY_LENGTH = 16 * 1024 * 1024
const EARLY_FRAME_LENGTH = 64

/** Connection of a robot. */
export class Robot implements RobotConnection {
  readonly deviceId: string
  readonly #hub: Hub
  readonly #socket: WebSocket
  readonly #closed: Promise<void>
  /** Frames received before the registration; handled after it. */
  #early: string[] | undefined = []
  #earlyLength = 0

  constructor(deviceId: string, socket: WebSocket, hub: Hub) {
    this.deviceId = deviceId
    this.#hub = hub
    this.#socket = socket
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.on('message', (data, isBinary) => this.#received(data, isBinary))
    socket.on('close', () => hub.robotDisconnected(this))
    keepAlive(socket, hub.options.times.ping, hub.options.times.pong)
  }

  /** Registers once the previous connection is closed, which takes a while for a half-open one (docs/relay-protocol.md). */
  async register(): Promise<void> {
    const { robots, options } = this.#hub
    // several may have waited for the same connection: check again, so that only the last one stays registered
    for (let other = robots.get(this.deviceId); other; other = robots.get(this.deviceId)) {
      await other.replace(options.times.replace)
    }
    if (this.#socket.readyState !== WebSocket.OPEN) return
    this.#hub.robotConnected(this)
    const early = this.#early ?? []
    this.#early = undefined
    for (const line of early) this.#ingest(line)
  }

  send(frame: Frame): void {
    sendFrame(this.#socket, frame)
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  async replace(timeout: number): Promise<void> {
    this.#socket.close(1000)
    const timer = setTimeout(() => this.#socket.terminate(), timeout)
    await this.#closed
    clearTimeout(timer)
  }

  #received(data: RawData, isBinary: boolean): void {
    if (isBinary) this.#disconnect()
    else if (this.#early) this.#keep(this.#early, data.toString())
    else this.#ingest(data.toString())
  }

  #keep(early: string[], line: string): void {
    early.push(line)
    this.#earlyLength += line.length + EARLY_FRAME_LENGTH
    if (this.#earlyLength > MAX_EARLY_LENGTH) this.#disconnect()
  }

  /** As the relay in the cloud does for a frame that raises an exception there. */
  #disconnect(): void {
    this.#socket.close(1000)
  }

  #ingest(line: string): void {
    const parsed = parseJson(line)
    if (!parsed) return
    const frame = parsed.value
    if (isObject(frame) && isWellFormed(frame)) this.#handle(frame)
    else this.#disconnect()
  }

  #handle(frame: Frame): void {
    const type = text(frame, 'type') ?? ''
    if (type === 'ping') this.send({ type: 'pong' })
    else if (ROUTED.has(type) || this.#isForPlayer(frame)) this.#route(frame)
    else if (type === 'webrtc_close') this.#close(frame)
    else if (type.startsWith('webrtc_')) this.#hub.broadcast(this.deviceId, frame)
    else if (type === 'snapshot') this.#hub.stateOf(this.deviceId).snapshots.received(frame)
    else this.#forward(frame)
  }

  /** Other players and apps have nothing to do with the errors of a WHEP session. */
  #isForPlayer({ type, session_id }: Frame): boolean {
    return type === 'webrtc_error' && typeof session_id === 'string' && this.#hub.players.has(session_id)
  }

  /** Only to the app with this current session. */
  #route(frame: Frame): void {
    const app = this.#hub.routes.get(text(frame, 'session_id') ?? '')
    if (app?.deviceId === this.deviceId) app.send(frame)
  }

  #close(frame: Frame): void {
    const sessionId = text(frame, 'session_id') ?? ''
    if (this.#hub.routes.get(sessionId)?.deviceId !== this.deviceId) return
    this.#hub.endSession(sessionId, this.deviceId, frame.reason)
  }

  #forward(frame: Frame): void {
    const name = text(frame, 'event') ?? text(frame, 'type') ?? ''
    const state = this.#hub.stateOf(this.deviceId)
    if (name === 'network_state') state.networkState = frame
    if (name === 'battery') state.battery = frame
    this.#hub.broadcast(this.deviceId, UNSEQUENCED.has(name) ? frame : this.#hub.stamp(this.deviceId, frame))
  }
}

function isWellFormed(frame: Frame): boolean {
  for (const key of ['type', 'event']) {
    const name = frame[key]
    if (name === undefined || name === null) continue
    if (typeof name !== 'string') return false
    if (NEEDS_DATA_OBJECT.test(name) && 'data' in frame && !isObject(frame.data)) return false
  }
  return true
}
