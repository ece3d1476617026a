import { randomUUID } from 'node:crypto'
import type { Logger } from '#lib/logger.ts'
import type { Role } from './access/role.ts'
import type { Frame } from './frame.ts'
import { SnapshotRequests } from './snapshot-requests.ts'
import type { RelayTimes } from './times.ts'

/** Apps and WHEP players. */
const MAX_VIEWERS = 64
/** Those of them that only watch: the rest of the places is for viewers that drive. */
const MAX_WATCHERS = 48

export interface HubOptions {
  log: Logger
  times: RelayTimes
  iceServers: readonly unknown[]
  dogs: readonly Frame[]
  singleApp: boolean
  /** Ids of the robots that may connect. */
  deviceIds: readonly string[]
}

/** The connection of an app, as the hub needs it. */
export interface AppConnection {
  readonly deviceId: string
  readonly role: Role
  /** Undefined before `session_hello`. */
  readonly sessionId: string | undefined
  send(frame: Frame): void
  /** Closes it for a newer app. */
  supersede(): void
  /** Its robot has disconnected; apps receive `robot_status`. */
  robotDisconnected?(): void
  /** Whether so much waits to be sent to it that another snapshot would only be late. */
  readonly isCongested?: boolean
}

/** The connection of a robot, as the hub needs it. */
export interface RobotConnection {
  readonly deviceId: string
  /** Bytes that wait to be sent to it. */
  readonly bufferedBytes: number
  send(frame: Frame): void
  /** Closes it for a newer connection of the same robot; resolves when it is closed, after `timeout` ms at the latest. */
  replace(timeout: number): Promise<void>
}

/** State of a robot that outlives its connection; parts of it are sent to an app that connects. */
interface DeviceState {
  networkState?: Frame
  battery?: Frame
  seq: number
  lastDisconnectedApp?: AppConnection
  readonly snapshots: SnapshotRequests
}

/** Apps that have disconnected, whose session may still be resumed. */
const MAX_DEPARTED = 64

/** Registry of the connections, and the routes of the sessions between them. */
export class Hub {
  readonly options: HubOptions
  readonly robots = new Map<string, RobotConnection>()
  readonly apps = new Set<AppConnection>()
  /** WHEP players by session id. */
  readonly players = new Map<string, AppConnection>()
  /** Session id → the app that requested video, while its robot is connected. */
  readonly routes = new Map<string, AppConnection>()
  readonly #states = new Map<string, DeviceState>()
  /** Apps that have disconnected, the oldest first, with what ends their grace period. */
  readonly #departed = new Map<AppConnection, () => void>()

  constructor(options: HubOptions) {
    this.options = options
  }

  /** Whether there are as many viewers as the relay serves, or as it serves of those that only watch. */
  isFullFor(role: Role): boolean {
    const viewers = [...this.apps, ...this.players.values()]
    const watchers = viewers.filter((one) => one.role === 'watch').length
    return viewers.length >= MAX_VIEWERS || (role === 'watch' && watchers >= MAX_WATCHERS)
  }

  /** The robot of a `device_id`; the first known robot without one. */
  deviceFor(requested: string | undefined): string | undefined {
    const { deviceIds } = this.options
    return requested === undefined ? deviceIds[0] : deviceIds.find((id) => id === requested)
  }

  /** Sends a frame to every app of a robot. */
  broadcast(deviceId: string, frame: Frame): void {
    for (const app of this.apps) if (app.sessionId !== undefined && app.deviceId === deviceId) app.send(frame)
  }

  /**
   * Calls `end` once, after the grace period, or earlier when many others have disconnected since: those that only watch before
   * those that drive.
   */
  appDeparted(app: AppConnection, end: () => void): void {
    const finish = () => {
      clearTimeout(timer)
      if (this.#departed.delete(app)) end()
    }
    const timer = setTimeout(finish, this.options.times.appGrace).unref()
    this.#departed.set(app, finish)
    if (this.#departed.size <= MAX_DEPARTED) return
    const [oldest] = this.#departed.keys()
    const first = this.#departed.keys().find(({ role }) => role === 'watch') ?? oldest
    if (first) this.#departed.get(first)?.()
  }

  /** Whether a viewer that only watches may not have a session id: it is another one's, or a driver may resume it. */
  isHeldFromWatchers(sessionId: string, deviceId: string): boolean {
    const route = this.routes.get(sessionId)
    const isRouted = route !== undefined && (route.role === 'drive' || route.deviceId !== deviceId)
    const departed = this.#departed.keys().some((app) => app.role === 'drive' && app.sessionId === sessionId)
    return isRouted || departed || this.players.has(sessionId)
  }

  robotStatus(deviceId: string): Frame {
    return { type: 'robot_status', device_id: deviceId, online: this.robots.has(deviceId) }
  }

  robotConnected(robot: RobotConnection): void {
    this.robots.set(robot.deviceId, robot)
    robot.send({ type: 'profiles', profiles: this.options.dogs })
    this.broadcast(robot.deviceId, this.robotStatus(robot.deviceId))
  }

  /** Deletes the robot's sessions with its socket (docs/relay-protocol.md, sessions). */
  robotDisconnected(robot: RobotConnection): void {
    if (this.robots.get(robot.deviceId) !== robot) return
    this.robots.delete(robot.deviceId)
    this.stateOf(robot.deviceId).snapshots.clear()
    for (const [id, app] of this.routes) {
      if (app.deviceId !== robot.deviceId) continue
      this.routes.delete(id)
      app.robotDisconnected?.()
    }
    this.broadcast(robot.deviceId, this.robotStatus(robot.deviceId))
  }

  /** Ends a session and notifies both sides once. */
  endSession(sessionId: string, deviceId: string, reason: unknown): void {
    const app = this.routes.get(sessionId)
    this.routes.delete(sessionId)
    const frame = { type: 'webrtc_close', session_id: sessionId, ...(reason === undefined ? {} : { reason }) }
    app?.send(frame)
    this.robots.get(deviceId)?.send(frame)
  }

  /** Adds the fields that the relay adds to every sequenced frame (docs/relay-protocol.md, events). */
  stamp(deviceId: string, frame: Frame): Frame {
    const state = this.stateOf(deviceId)
    state.seq++
    const event_id = frame.event_id ?? frame.id ?? randomUUID()
    return { ...frame, seq: state.seq, ts_server: Date.now() / 1000, event_id }
  }

  stateOf(deviceId: string): DeviceState {
    let state = this.#states.get(deviceId)
    if (!state) {
      const send = (frame: Frame) => this.robots.get(deviceId)?.send(frame)
      state = { seq: 0, snapshots: new SnapshotRequests(send, this.options.times.snapshot) }
      this.#states.set(deviceId, state)
    }
    return state
  }
}
