import { type RawData, WebSocket } from 'ws'
import { type Frame, isObject, parseJson, text } from './frame.ts'
import type { Hub } from './hub.ts'
import { keepAlive, sendFrame } from './ws-send.ts'

/** Never sequenced (API_CONTRACT 2.5). */
const UNSEQUENCED = new Set(['pong', 'heartbeat', 'battery', 'network_state'])
/** A `data` that is no object makes the relay drop the robot (API_CONTRACT 8). */
const NEEDS_DATA_OBJECT = /^(status_update|mission_progress|schedule_)/
/** Characters that a robot may send before it is registered. */
const MAX_EARLY = 16 * 1024 * 1024

/** One connection of a robot. */
export class Robot {
  readonly deviceId: string
  readonly #hub: Hub
  readonly #socket: WebSocket
  readonly #closed: Promise<void>
  /** Frames that came before the registration; handled afterwards. */
  #early: string[] | undefined = []
  #earlyLength = 0

  constructor(deviceId: string, socket: WebSocket, hub: Hub) {
    this.deviceId = deviceId
    this.#hub = hub
    this.#socket = socket
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.on('message', (data, isBinary) => this.#received(data, isBinary))
    socket.on('close', () => hub.robotLeft(this))
    keepAlive(socket, hub.options.times.ping, hub.options.times.pong)
  }

  /** Registers once the predecessor is gone, which a half-open one takes its time for (API_CONTRACT 1.6). */
  async register(): Promise<void> {
    const { robots, options } = this.#hub
    // others may have waited for the same predecessor: the one that registers last stays, nobody becomes a ghost
    for (let other = robots.get(this.deviceId); other; other = robots.get(this.deviceId)) {
      await other.replace(options.times.replace)
    }
    if (this.#socket.readyState !== WebSocket.OPEN) return
    this.#hub.robotCame(this)
    const early = this.#early ?? []
    this.#early = undefined
    for (const frame of early) this.#take(frame)
  }

  send(frame: Frame): void {
    sendFrame(this.#socket, frame)
  }

  /** Closes this connection normally for a newer one of the same robot. */
  async replace(within: number): Promise<void> {
    this.#socket.close(1000)
    const timer = setTimeout(() => this.#socket.terminate(), within)
    await this.#closed
    clearTimeout(timer)
  }

  #received(data: RawData, isBinary: boolean): void {
    if (isBinary) this.#drop()
    else if (this.#early) this.#keep(this.#early, data.toString())
    else this.#take(data.toString())
  }

  #keep(early: string[], line: string): void {
    early.push(line)
    this.#earlyLength += line.length
    if (this.#earlyLength > MAX_EARLY) this.#drop()
  }

  /** What the relay does when a frame makes it stumble. */
  #drop(): void {
    this.#socket.close(1000)
  }

  #take(line: string): void {
    const parsed = parseJson(line)
    if (!parsed) return
    const frame = parsed.value
    if (isObject(frame) && isWellFormed(frame)) this.#handle(frame)
    else this.#drop()
  }

  #handle(frame: Frame): void {
    const type = text(frame, 'type') ?? ''
    if (type === 'ping') this.send({ type: 'pong' })
    else if (type === 'webrtc_offer' || type === 'webrtc_ice') this.#route(frame)
    else if (type === 'webrtc_close') this.#close(frame)
    else if (type.startsWith('webrtc_')) this.#hub.tellApps(this.deviceId, frame)
    else this.#forward(frame)
  }

  /** To the app whose current session this is; anything else never arrives (API_CONTRACT 2.3). */
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
    const latest = this.#hub.latest(this.deviceId)
    if (name === 'network_state') latest.networkState = frame
    if (name === 'battery') latest.battery = frame
    this.#hub.tellApps(this.deviceId, UNSEQUENCED.has(name) ? frame : this.#hub.stamp(this.deviceId, frame))
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
