import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type WebSocket, WebSocketServer } from 'ws'
import { wake } from '#dev/harness/until.ts'

/** One connection of the robot, as the relay sees it. */
export interface RobotSocket {
  headers: IncomingMessage['headers']
  socket: WebSocket
  /** Every text frame, parsed. */
  frames: Record<string, unknown>[]
  /** Whether `{"type":"ping"}` is answered. */
  answersPings: boolean
  /** The next frame that satisfies `where` and was not taken yet. */
  next(where: (frame: Record<string, unknown>) => boolean, within?: number): Promise<Record<string, unknown>>
  send(frame: unknown): void
}

/** A relay that records and does only what the test says. */
export interface FakeRelay {
  url: string
  /** Waits for the robot's next connection. */
  robot(within?: number): Promise<RobotSocket>
  /** Upgrades are refused with this HTTP status from now on; undefined accepts again. */
  refuse(status: number | undefined): void
  /** Devices that `GET /debug/pairing` names; while undefined it answers 404. */
  knows: string[] | undefined
  /** Answers that named devices, so far. */
  readonly listings: number
  /** Answers every HTTP request instead, if set. */
  answer: ((response: ServerResponse) => void) | undefined
  /** Upgrade requests so far, refused ones too. */
  readonly attempts: { headers: IncomingMessage['headers']; at: number }[]
  close(): Promise<void>
}

/** Starts one; `port` 0 takes a free one. Answers `{"type":"ping"}` unless `silent`. */
export async function fakeRelay(t: TestContext, { port = 0, silent = false } = {}): Promise<FakeRelay> {
  const server = createServer((request, response) => {
    if (relay.answer) {
      relay.answer(response)
      return
    }
    const known = request.url === '/debug/pairing' ? relay.knows : undefined
    if (known) listings += 1
    response.statusCode = known ? 200 : 404
    response.end(known ? JSON.stringify({ robot_connections: known }) : '')
  })
  const sockets = new WebSocketServer({ noServer: true })
  const attempts: FakeRelay['attempts'] = []
  const arrived: RobotSocket[] = []
  const wakers = new Set<() => void>()
  let refused: number | undefined
  let listings = 0
  server.on('upgrade', (request, socket, head) => {
    attempts.push({ headers: request.headers, at: performance.now() })
    if (refused !== undefined) {
      socket.end(`HTTP/1.1 ${refused} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
      return
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      arrived.push(record(webSocket, request, silent))
      for (const wakeUp of wakers) wakeUp()
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    for (const client of sockets.clients) client.terminate()
    server.closeAllConnections()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  t.after(close)
  const relay: FakeRelay = {
    knows: undefined,
    answer: undefined,
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/device`,
    attempts,
    get listings() {
      return listings
    },
    refuse(status) {
      refused = status
    },
    async robot(within = 10_000) {
      await until(() => arrived.length > 0, wakers, within, 'no robot came')
      const [robot] = arrived.splice(0, 1)
      if (!robot) throw new Error('no robot came')
      return robot
    },
    close,
  }
  return relay
}

function record(socket: WebSocket, request: IncomingMessage, silent: boolean): RobotSocket {
  const frames: Record<string, unknown>[] = []
  const taken = new Set<Record<string, unknown>>()
  const wakers = new Set<() => void>()
  const robot: RobotSocket = {
    answersPings: !silent,
    headers: request.headers,
    socket,
    frames,
    send: (frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    async next(where, within = 10_000) {
      const find = () => frames.find((frame) => !taken.has(frame) && where(frame))
      await until(() => find() !== undefined, wakers, within, `no such frame among ${frames.length}`)
      const found = find()
      if (!found) throw new Error('gone')
      taken.add(found)
      return found
    },
  }
  socket.on('message', (data) => {
    const frame = JSON.parse(data.toString()) as Record<string, unknown>
    frames.push(frame)
    if (frame.type === 'ping' && robot.answersPings) socket.send('{"type":"pong"}')
    for (const wakeUp of wakers) wakeUp()
  })
  return robot
}

async function until(
  done: () => boolean,
  wakers: Set<() => void>,
  within: number,
  otherwise: string,
): Promise<void> {
  const deadline = performance.now() + within
  while (!done()) {
    const left = deadline - performance.now()
    if (left <= 0) throw new Error(`${otherwise} within ${within} ms`)
    await wake(wakers, left)
  }
}
