/** Timeouts and intervals of the relay (ms). docs/relay-protocol.md, limits. */
export interface RelayTimes {
  /** Timeout of an app's `session_hello`. */
  hello: number
  /** Timeout of the robot's answer to a WHEP player: a video service that restarts takes some seconds. */
  playerAnswer: number
  /** Timeout of an app's next ping. */
  appPing: number
  /** After an app disconnected, until the robot is notified. */
  appGrace: number
  /** Interval of WebSocket pings to robots, and timeout of the pong. */
  ping: number
  pong: number
  /** Timeout for the previous connection of a robot to close. */
  replace: number
  /** After this time a robot that sends no snapshot is asked again. */
  snapshot: number
  /** Maximum age of a command. */
  stale: number
}

export const RELAY_TIMES: RelayTimes = {
  hello: 5_000,
  playerAnswer: 12_000,
  appPing: 25_000,
  appGrace: 600_000,
  ping: 30_000,
  pong: 60_000,
  replace: 20_000,
  snapshot: 2_000,
  stale: 2_000,
}
