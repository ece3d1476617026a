import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'

const PASSED_ON = ['x-device-id', 'x-signature', 'x-timestamp', 'authorization']

/** A robot's way to its relay that can be cut, and that keeps the numbers of the events that passed. */
export interface RelayTap extends AsyncDisposable {
  /** What the robot dials. */
  url: string
  /** The `n` of each event in the order of arrival, without those that came twice. */
  events: number[]
  /** Events whose id had passed before. */
  repeated: number
  /** Nothing passes and nothing ends until {@link RelayTap.thaw}, as with a pulled cable. */
  freeze(): void
  thaw(): void
  /** Ends the connection with a TCP reset. */
  reset(): void
}

/** Opens it in front of the relay on `relayPort`, which may be away for a while. */
export async function openRelayTap(relayPort: number): Promise<RelayTap> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const robots = new Set<WebSocket>()
  const ids = new Set<string>()
  let isFrozen = false
  const tap: RelayTap = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/device`,
    events: [],
    repeated: 0,
    freeze() {
      isFrozen = true
    },
    thaw() {
      isFrozen = false
      tap.reset()
    },
    reset() {
      for (const robot of robots) robot.terminate()
    },
    async [Symbol.asyncDispose]() {
      tap.reset()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  server.on('connection', (robot, request) => {
    robots.add(robot)
    const headers = Object.fromEntries(PASSED_ON.map((name) => [name, request.headers[name]]))
    const relay = new WebSocket(`ws://127.0.0.1:${relayPort}${request.url}`, {
      headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
    })
    const waiting: string[] = []
    relay.on('open', () => {
      for (const text of waiting.splice(0)) relay.send(text)
    })
    robot.on('message', (data) => {
      if (isFrozen) return
      const text = String(data)
      note(text)
      if (relay.readyState === WebSocket.OPEN) relay.send(text)
      else waiting.push(text)
    })
    relay.on('message', (data) => {
      if (!isFrozen) robot.send(String(data))
    })
    robot
      .on('error', () => {})
      .on('close', () => {
        robots.delete(robot)
        relay.terminate()
      })
    relay
      .on('error', () => {})
      .on('close', (code) => {
        if (isFrozen) return
        if (code >= 1000 && code < 5000 && code !== 1005 && code !== 1006) robot.close(code)
        else robot.terminate()
      })
  })
  return tap

  function note(text: string): void {
    const { n, id } = JSON.parse(text) as { n?: unknown; id?: unknown }
    if (typeof n !== 'number') return
    if (ids.has(String(id))) tap.repeated++
    else {
      ids.add(String(id))
      tap.events.push(n)
    }
  }
}
