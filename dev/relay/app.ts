import { randomUUID } from 'node:crypto'
import type { RawData, WebSocket } from 'ws'
import { parseCommand } from '#commands/command-message.ts'
import { isStop, isStopName } from '#commands/drive/drive.ts'
import { TokenBucket } from '#lib/token-bucket.ts'
import type { Role } from './access/role.ts'
import { type Frame, isObject, parseJson, text, without } from './frame.ts'
import type { AppConnection, Hub } from './hub.ts'
import { sendFrame } from './ws-send.ts'

/** Longest message of an app, in characters (docs/relay-protocol.md, limits). */
const MAX_MESSAGE_LENGTH = 1_048_576
const MAX_SESSION_ID_LENGTH = 128
/** Longest signaling frame, in bytes; those of browsers have 10 KB at most. */
const MAX_SIGNALING_BYTES = 64 * 1024
/**
 * Bytes that wait for the robot, above which no more is read from an app that sends much, and above which frames of all apps are
 * rejected, except what stops the robot.
 */
const PAUSE_BYTES = 512 * 1024
const REJECT_BYTES = 2 * 1024 * 1024
/** What an app may send, at once and a second, before it counts as one that sends much. */
const MUCH_BYTES = 64 * 1024
/** A longer stop is forwarded without anything else of its frame while others are rejected. */
const MAX_STOP_LENGTH = 1_024
const PAUSE_MS = 20
/** Bytes that wait for an app, above which it gets no snapshot. */
const MAX_BUFFERED_SNAPSHOTS = 64 * 1024
const BARE_STOP: Frame = { type: 'command', command: 'stop', data: {} }
const WATCH_ONLY = 'this login is for watching: of all commands it may send stop only'

/** Connection of an app. */
export class App implements AppConnection {
  readonly deviceId: string
  readonly role: Role
  readonly #hub: Hub
  readonly #socket: WebSocket
  #sessionId: string | undefined
  /** For the hello, then for each ping. */
  #deadline: NodeJS.Timeout
  #isEnded = false
  #pause: NodeJS.Timeout | undefined
  readonly #volume = new TokenBucket(MUCH_BYTES, MUCH_BYTES)
  readonly #handlers = new Map<string, (frame: Frame, sessionId: string) => void>([
    ['ping', () => this.#ping()],
    ['webrtc_request', (frame, sessionId) => this.#requestVideo(sessionId, frame.talk === true)],
    ['webrtc_answer', (frame, sessionId) => this.#signal(frame, sessionId)],
    ['webrtc_ice', (frame, sessionId) => this.#signal(frame, sessionId)],
    ['webrtc_close', (frame, sessionId) => this.#close(frame, sessionId)],
    ['client_closing', () => this.#leave()],
    ['snapshot_request', () => this.#hub.stateOf(this.deviceId).snapshots.request(this)],
  ])

  constructor({ deviceId, role }: Pick<AppConnection, 'deviceId' | 'role'>, socket: WebSocket, hub: Hub) {
    this.deviceId = deviceId
    this.role = role
    this.#hub = hub
    this.#socket = socket
    this.#deadline = setTimeout(() => socket.close(4000, 'no hello'), hub.options.times.hello)
    socket.on('message', (data, isBinary) => this.#received(data, isBinary))
    socket.on('close', () => this.#closed())
    hub.apps.add(this)
  }

  get sessionId(): string | undefined {
    return this.#sessionId
  }

  get isCongested(): boolean {
    return this.#socket.bufferedAmount > MAX_BUFFERED_SNAPSHOTS
  }

  send(frame: Frame): void {
    sendFrame(this.#socket, frame)
  }

  #received(data: RawData, isBinary: boolean): void {
    const line = data.toString()
    const bytes = Buffer.byteLength(line)
    this.#volume.charge(bytes)
    this.#pauseWhileCongested()
    const isTooLong = line.length > MAX_MESSAGE_LENGTH
    const frame = isBinary || isTooLong ? undefined : parseJson(line)?.value
    if (isTooLong) this.#reject('MESSAGE_TOO_LARGE', 'a message may have 1 MiB at most')
    else if (!isObject(frame)) this.#reject('INVALID_MESSAGE', 'expected a JSON object')
    else if (bytes > MAX_SIGNALING_BYTES && text(frame, 'type')?.startsWith('webrtc_'))
      this.#reject('MESSAGE_TOO_LARGE', 'signaling may have 64 KiB at most')
    else if (frame.type === 'session_hello') this.#hello(frame)
    else if (this.#sessionId !== undefined) this.#handle(frame, this.#sessionId, bytes)
  }

  #reject(code: string, message: string): void {
    this.send({ type: 'error', code, message })
  }

  #hello(frame: Frame): void {
    if (this.#sessionId !== undefined) return
    const wanted = text(frame, 'session_id') || randomUUID()
    if (wanted.length > MAX_SESSION_ID_LENGTH) {
      this.#reject('INVALID_MESSAGE', `a session_id has ${MAX_SESSION_ID_LENGTH} characters at most`)
      return
    }
    const sessionId = this.#takePlace(wanted)
    // a reused id must not receive frames of its earlier session before it requests video
    if (this.#hub.routes.get(sessionId)?.deviceId === this.deviceId) this.#hub.routes.delete(sessionId)
    this.#sessionId = sessionId
    this.#expectPing()
    const watching = this.role === 'watch' ? { role: this.role } : {}
    this.send({ type: 'session_ack', session_id: sessionId, device_id: this.deviceId, ...watching })
    this.send({ type: 'auth_result', success: true })
    this.send(this.#hub.robotStatus(this.deviceId))
    const { networkState, battery } = this.#hub.stateOf(this.deviceId)
    if (networkState) this.send({ ...networkState, retained: true })
    if (battery) this.send({ type: 'battery_snapshot', level: battery.level })
    this.#robot?.send({ type: 'user_connected', user_id: text(frame, 'user_id') ?? 'local' })
  }

  /** Closes older connections with this session id; returns the id, or another one where a driver or a player has it. */
  #takePlace(wanted: string): string {
    const { singleApp } = this.#hub.options
    const others = [...this.#hub.apps].filter((app) => app !== this && app.deviceId === this.deviceId)
    // a viewer that only watches takes no place of one that drives
    const isTaken =
      others.some((other) => other.sessionId === wanted && this.#isBelow(other)) ||
      (this.role === 'watch' && this.#hub.isHeldFromWatchers(wanted, this.deviceId))
    const sessionId = isTaken ? randomUUID() : wanted
    for (const other of others)
      if ((other.sessionId === sessionId || singleApp) && !this.#isBelow(other)) other.supersede()
    return sessionId
  }

  #isBelow(other: AppConnection): boolean {
    return this.role === 'watch' && other.role === 'drive'
  }

  get #robot() {
    return this.#hub.robots.get(this.deviceId)
  }

  #handle(frame: Frame, sessionId: string, bytes: number): void {
    const handle = this.#handlers.get(text(frame, 'type') ?? '')
    const isFull = (this.#robot?.bufferedBytes ?? 0) > REJECT_BYTES
    const isStopping = !handle && typeof frame.command === 'string' && stops(frame)
    if (isFull && isStopping) this.#command(bytes > MAX_STOP_LENGTH ? BARE_STOP : frame)
    else if (isFull && frame.type !== 'ping')
      this.#reject('RATE_LIMITED', 'the robot does not read fast enough')
    else if (handle) handle(frame, sessionId)
    else if (typeof frame.command === 'string') this.#command(frame)
  }

  #ping(): void {
    this.#expectPing()
    this.send({ type: 'pong' })
  }

  /** A missing id is added; a frame with the id of another session is dropped (docs/relay-protocol.md, sessions). */
  #signal(frame: Frame, sessionId: string): void {
    if (isOfSession(frame, sessionId) && this.#hub.routes.get(sessionId) === this)
      this.#robot?.send({ ...frame, session_id: sessionId })
  }

  #close(frame: Frame, sessionId: string): void {
    if (isOfSession(frame, sessionId)) this.#hub.endSession(sessionId, this.deviceId, frame.reason)
  }

  #leave(): void {
    this.#endSession('client_closing')
    this.#socket.close(1000)
  }

  #requestVideo(sessionId: string, talk: boolean): void {
    const robot = this.#robot
    if (!robot) {
      this.#reject('DEVICE_OFFLINE', 'the robot is not connected')
      return
    }
    const { iceServers } = this.#hub.options
    this.#hub.routes.set(sessionId, this)
    this.send({ type: 'webrtc_credentials', session_id: sessionId, ice_servers: iceServers })
    // the robot enforces it on the data channel
    const watching = this.role === 'watch'
    robot.send({
      type: 'webrtc_request',
      session_id: sessionId,
      ice_servers: iceServers,
      ...(talk && !watching ? { talk } : {}),
      ...(watching ? { role: this.role } : {}),
    })
  }

  #command(frame: Frame): void {
    const robot = this.#robot
    const { timestamp } = frame
    const isStale = typeof timestamp === 'number' && Date.now() - timestamp > this.#hub.options.times.stale
    const allowed = this.role === 'watch' ? onlyStop(frame) : frame
    if (!allowed) this.#reject('WATCH_ONLY', WATCH_ONLY)
    else if (!robot) this.#reject('DEVICE_OFFLINE', 'the robot is not connected')
    else if (isStale && !stops(frame)) this.#reject('STALE_COMMAND', `${String(frame.command)} is too old`)
    else robot.send(without(allowed, 'device_id', 'target_device'))
  }

  /**
   * A flood of one app must not end the connection of the robot, whose buffer is limited. Other apps are read on: one of them may
   * send a stop.
   */
  #pauseWhileCongested(): void {
    const isCongested = () => (this.#robot?.bufferedBytes ?? 0) > PAUSE_BYTES
    const sendsMuch = this.#volume.wait(0) > 0
    if (this.#pause || !sendsMuch || !isCongested()) return
    this.#socket.pause()
    this.#pause = setInterval(() => {
      if (isCongested()) return
      clearInterval(this.#pause)
      this.#pause = undefined
      this.#socket.resume()
    }, PAUSE_MS)
  }

  #expectPing(): void {
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => {
      this.#endSession('heartbeat_timeout')
      this.#socket.close(4002, 'heartbeat timeout')
    }, this.#hub.options.times.appPing)
  }

  supersede(): void {
    this.#endSession('superseded')
    this.#socket.close(4003, 'superseded')
  }

  /** Notifies the robot that this app's session has ended. */
  #endSession(reason: string): void {
    if (this.#isEnded || this.#sessionId === undefined) return
    this.#isEnded = true
    if (this.#hub.routes.get(this.#sessionId) === this) this.#hub.routes.delete(this.#sessionId)
    this.#robot?.send({ type: 'session_ended', session_id: this.#sessionId, reason })
  }

  /** The robot is notified of an app that disconnected without a close message after a grace period only. */
  #closed(): void {
    clearTimeout(this.#deadline)
    clearInterval(this.#pause)
    this.#hub.apps.delete(this)
    if (this.#sessionId === undefined) return
    this.#hub.stateOf(this.deviceId).lastDisconnectedApp = this
    this.#hub.appDeparted(this, () => this.#graceEnded())
  }

  #graceEnded(): void {
    const { apps, routes } = this.#hub
    const sessionId = this.#sessionId ?? ''
    if (routes.get(sessionId) === this) this.#hub.endSession(sessionId, this.deviceId, 'app gone')
    const hasApp = [...apps].some((app) => app.sessionId !== undefined && app.deviceId === this.deviceId)
    if (hasApp || this.#hub.stateOf(this.deviceId).lastDisconnectedApp !== this) return
    this.#robot?.send({ type: 'user_disconnected', user_id: 'local' })
  }
}

/** What stops the robot is never too old: the clocks of app and relay may differ. */
function stops(frame: Frame): boolean {
  const { name = '', params } = parseCommand(frame)
  return isStop(name, params)
}

/** A command that stops the robot, without anything that could make it another; undefined for other commands. */
function onlyStop({ command, id, timestamp }: Frame): Frame | undefined {
  if (typeof command !== 'string' || !isStopName(command)) return undefined
  return { type: 'command', command, data: {}, timestamp, id }
}

function isOfSession({ session_id }: Frame, sessionId: string): boolean {
  return (session_id ?? sessionId) === sessionId
}
