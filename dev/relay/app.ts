import { randomUUID } from 'node:crypto'
import type { RawData, WebSocket } from 'ws'
import { type Frame, isObject, parseJson, text, without } from './frame.ts'
import type { Hub } from './hub.ts'
import { sendFrame } from './ws-send.ts'

/** Characters that an app may send in one frame (API_CONTRACT 0). */
const MAX_MESSAGE = 1_048_576

/** One connection of an app. */
export class App {
  readonly deviceId: string
  readonly #hub: Hub
  readonly #socket: WebSocket
  #sessionId: string | undefined
  /** Hello, then pings, are due. */
  #deadline: NodeJS.Timeout
  #ended = false
  readonly #handlers = new Map<string, (frame: Frame, sessionId: string) => void>([
    ['ping', () => this.#ping()],
    ['webrtc_request', (_frame, sessionId) => this.#request(sessionId)],
    ['webrtc_answer', (frame, sessionId) => this.#signal(frame, sessionId)],
    ['webrtc_ice', (frame, sessionId) => this.#signal(frame, sessionId)],
    ['webrtc_close', (frame, sessionId) => this.#close(frame, sessionId)],
    ['client_closing', () => this.#leave()],
  ])

  constructor(deviceId: string, socket: WebSocket, hub: Hub) {
    this.deviceId = deviceId
    this.#hub = hub
    this.#socket = socket
    this.#deadline = setTimeout(() => socket.close(4000, 'no hello'), hub.options.times.hello)
    socket.on('message', (data, isBinary) => this.#received(data, isBinary))
    socket.on('close', () => this.#closed())
    hub.apps.add(this)
  }

  /** It has said hello. */
  get ready(): boolean {
    return this.#sessionId !== undefined
  }

  send(frame: Frame): void {
    sendFrame(this.#socket, frame)
  }

  #received(data: RawData, isBinary: boolean): void {
    const line = data.toString()
    const frame = isBinary || line.length > MAX_MESSAGE ? undefined : parseJson(line)?.value
    if (line.length > MAX_MESSAGE) this.#refuse('MESSAGE_TOO_LARGE', 'at most 1 MiB in one message')
    else if (!isObject(frame)) this.#refuse('INVALID_MESSAGE', 'expected a JSON object')
    else if (frame.type === 'session_hello') this.#hello(frame)
    else if (this.#sessionId !== undefined) this.#handle(frame, this.#sessionId)
  }

  #refuse(code: string, message: string): void {
    this.send({ type: 'error', code, message })
  }

  #hello(frame: Frame): void {
    if (this.#sessionId !== undefined) return
    const { singleApp } = this.#hub.options
    const sessionId = text(frame, 'session_id') || randomUUID()
    for (const other of this.#hub.apps) {
      const same = other.#sessionId === sessionId || singleApp
      if (other !== this && other.deviceId === this.deviceId && same) other.#supersede()
    }
    // with an id used again, nothing of its earlier session passes until it asks for video (API_CONTRACT 8)
    if (this.#hub.routes.get(sessionId)?.deviceId === this.deviceId) this.#hub.routes.delete(sessionId)
    this.#sessionId = sessionId
    this.#expectPing()
    this.send({ type: 'session_ack', session_id: sessionId, device_id: this.deviceId })
    this.send({ type: 'auth_result', success: true })
    this.send(this.#hub.robotStatus(this.deviceId))
    const { networkState, battery } = this.#hub.latest(this.deviceId)
    if (networkState) this.send({ ...networkState, retained: true })
    if (battery) this.send({ type: 'battery_snapshot', level: battery.level })
    this.#robot?.send({ type: 'user_connected', user_id: text(frame, 'user_id') ?? 'local' })
  }

  get #robot() {
    return this.#hub.robots.get(this.deviceId)
  }

  #handle(frame: Frame, sessionId: string): void {
    const handle = this.#handlers.get(text(frame, 'type') ?? '')
    if (handle) handle(frame, sessionId)
    else if (typeof frame.command === 'string') this.#command(frame)
  }

  #ping(): void {
    this.#expectPing()
    this.send({ type: 'pong' })
  }

  /** A missing id is stamped; another one than the socket's goes nowhere (API_CONTRACT 4.3, P11). */
  #signal(frame: Frame, sessionId: string): void {
    if (isOfSession(frame, sessionId) && this.#hub.routes.has(sessionId))
      this.#robot?.send({ ...frame, session_id: sessionId })
  }

  #close(frame: Frame, sessionId: string): void {
    if (isOfSession(frame, sessionId)) this.#hub.endSession(sessionId, this.deviceId, frame.reason)
  }

  #leave(): void {
    this.#end('client_closing')
    this.#socket.close(1000)
  }

  #request(sessionId: string): void {
    const robot = this.#robot
    if (!robot) {
      this.#refuse('DEVICE_OFFLINE', 'the robot is not connected')
      return
    }
    const { iceServers } = this.#hub.options
    this.#hub.routes.set(sessionId, this)
    this.send({ type: 'webrtc_credentials', session_id: sessionId, ice_servers: iceServers })
    robot.send({ type: 'webrtc_request', session_id: sessionId, ice_servers: iceServers })
  }

  #command(frame: Frame): void {
    const robot = this.#robot
    const { timestamp } = frame
    const late = typeof timestamp === 'number' && Date.now() - timestamp > this.#hub.options.times.stale
    if (!robot) this.#refuse('DEVICE_OFFLINE', 'the robot is not connected')
    else if (late) this.#refuse('STALE_COMMAND', `${String(frame.command)} is too old`)
    else robot.send(without(frame, 'device_id', 'target_device'))
  }

  #expectPing(): void {
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => {
      this.#end('heartbeat_timeout')
      this.#socket.close(4002, 'heartbeat timeout')
    }, this.#hub.options.times.appPing)
  }

  #supersede(): void {
    this.#end('superseded')
    this.#socket.close(4003, 'superseded')
  }

  /** The robot is told that this app's session is over. */
  #end(reason: string): void {
    if (this.#ended || this.#sessionId === undefined) return
    this.#ended = true
    if (this.#hub.routes.get(this.#sessionId) === this) this.#hub.routes.delete(this.#sessionId)
    this.#robot?.send({ type: 'session_ended', session_id: this.#sessionId, reason })
  }

  /** The robot hears nothing of an app that just vanished, until the grace is over (API_CONTRACT 8). */
  #closed(): void {
    clearTimeout(this.#deadline)
    this.#hub.apps.delete(this)
    if (this.#sessionId === undefined) return
    this.#hub.latest(this.deviceId).left = this
    setTimeout(() => this.#gone(), this.#hub.options.times.appGrace).unref()
  }

  #gone(): void {
    const { apps, routes } = this.#hub
    const sessionId = this.#sessionId ?? ''
    if (routes.get(sessionId) === this) this.#hub.endSession(sessionId, this.deviceId, 'app gone')
    const present = [...apps].some((app) => app.ready && app.deviceId === this.deviceId)
    if (present || this.#hub.latest(this.deviceId).left !== this) return
    this.#robot?.send({ type: 'user_disconnected', user_id: 'local' })
  }
}

function isOfSession({ session_id }: Frame, sessionId: string): boolean {
  return (session_id ?? sessionId) === sessionId
}
