/** Times of the relay, ms. API_CONTRACT 0. */
export interface RelayTimes {
  /** An app must say hello in this time. */
  hello: number
  /** An app must ping in this time. */
  appPing: number
  /** After an app vanished, until the robot is told. */
  appGrace: number
  /** WebSocket pings to robots, and until the pong is due. */
  ping: number
  pong: number
  /** How long a predecessor of a robot may take to close. */
  replace: number
  /** A command older than this is dropped. */
  stale: number
}

export const RELAY_TIMES: RelayTimes = {
  hello: 5_000,
  appPing: 25_000,
  appGrace: 600_000,
  ping: 30_000,
  pong: 60_000,
  replace: 20_000,
  stale: 2_000,
}
