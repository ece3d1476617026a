import { randomUUID } from 'node:crypto'
import type { Logger } from '#lib/logger.ts'
import type { App } from './app.ts'
import type { Frame } from './frame.ts'
import type { Robot } from './robot.ts'
import type { RelayTimes } from './times.ts'

export interface HubOptions {
  log: Logger
  times: RelayTimes
  iceServers: readonly unknown[]
  dogs: readonly Frame[]
  singleApp: boolean
  /** Ids of the robots that may connect. */
  deviceIds: readonly string[]
}

/** What is known of a robot beyond its connection; a connecting app is told some of it at once. */
interface Latest {
  networkState?: Frame
  battery?: Frame
  seq: number
  /** The app that went last. */
  left?: App
}

/** Who is connected, and which session goes where. */
export class Hub {
  readonly options: HubOptions
  readonly robots = new Map<string, Robot>()
  readonly apps = new Set<App>()
  /** Session id → the app that asked for video under it, while its robot is connected. */
  readonly routes = new Map<string, App>()
  readonly #latest = new Map<string, Latest>()

  constructor(options: HubOptions) {
    this.options = options
  }

  /** The robot that an app means: the one it names, else the first that we know. */
  deviceFor(asked: string | undefined): string | undefined {
    const { deviceIds } = this.options
    return asked === undefined ? deviceIds[0] : deviceIds.find((id) => id === asked)
  }

  /** To every app of a robot. */
  tellApps(deviceId: string, frame: Frame): void {
    for (const app of this.apps) if (app.ready && app.deviceId === deviceId) app.send(frame)
  }

  robotStatus(deviceId: string): Frame {
    return { type: 'robot_status', device_id: deviceId, online: this.robots.has(deviceId) }
  }

  /** The robot is registered. */
  robotCame(robot: Robot): void {
    this.robots.set(robot.deviceId, robot)
    robot.send({ type: 'profiles', profiles: this.options.dogs })
    this.tellApps(robot.deviceId, this.robotStatus(robot.deviceId))
  }

  /** The robot's sessions are forgotten with its socket (API_CONTRACT 4.3, P19). */
  robotLeft(robot: Robot): void {
    if (this.robots.get(robot.deviceId) !== robot) return
    this.robots.delete(robot.deviceId)
    for (const [id, app] of this.routes) if (app.deviceId === robot.deviceId) this.routes.delete(id)
    this.tellApps(robot.deviceId, this.robotStatus(robot.deviceId))
  }

  /** Ends a session: both sides are told once. */
  endSession(sessionId: string, deviceId: string, reason: unknown): void {
    const app = this.routes.get(sessionId)
    this.routes.delete(sessionId)
    const frame = { type: 'webrtc_close', session_id: sessionId, ...(reason === undefined ? {} : { reason }) }
    app?.send(frame)
    this.robots.get(deviceId)?.send(frame)
  }

  /** Adds what the relay adds to every sequenced frame (API_CONTRACT 2.5). */
  stamp(deviceId: string, frame: Frame): Frame {
    const latest = this.latest(deviceId)
    latest.seq++
    const event_id = frame.event_id ?? frame.id ?? randomUUID()
    return { ...frame, seq: latest.seq, ts_server: Date.now() / 1000, event_id }
  }

  latest(deviceId: string): Latest {
    let latest = this.#latest.get(deviceId)
    if (!latest) {
      latest = { seq: 0 }
      this.#latest.set(deviceId, latest)
    }
    return latest
  }
}
