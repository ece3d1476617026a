import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type WebSocket, WebSocketServer } from 'ws'
import { seededRandom } from '#dev/harness/random.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { hostileFrames } from '../protocol/hostile-frames.ts'
import { AFTER_REGISTRATION, BEFORE_REGISTRATION, HTTP_ATTACKS } from './attacks.ts'
import { hostileSession } from './sessions.ts'

export interface HostileRelay {
  url: string
  /** Attacks that have been made, by name. */
  readonly made: ReadonlyMap<string, number>
  /** Numbers of the events that came, in order, repeated ones too. */
  readonly events: readonly number[]
  /** Is a good relay from now on. */
  reform(): void
  /** Whether the robot has registered at the good relay, and answered it. */
  readonly isUseful: boolean
}

interface Options {
  seed: number
  /** Names of attacks. */
  attacks: readonly string[]
  /** Duration of one attack, ms. */
  span(random: () => number, name: string): number
}

const FUZZED = 'fuzzed frames'

/** Those that leave the robot registered, two of which speak the protocol of the relay. */
export const QUICK: readonly string[] = [...Object.keys(AFTER_REGISTRATION), 'hostile sessions', FUZZED]
export const ALL: readonly string[] = [...QUICK, ...Object.keys(BEFORE_REGISTRATION)]

/** A relay that attacks each connection in another way, each way once before any comes again, until it reforms. */
export async function startHostileRelay(
  t: TestContext,
  { seed, attacks, span }: Options,
): Promise<HostileRelay> {
  const random = seededRandom(seed)
  const pick = (below: number) => Math.floor(random() * below)
  const made = new Map<string, number>()
  const events: number[] = []
  let queue: string[] = []
  let isGood = false
  let isUseful = false
  const ending = new AbortController()
  const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })

  const attend = (socket: WebSocket) => {
    socket.on('error', () => {})
    socket.on('message', (data) => {
      const { type, n } = JSON.parse(String(data)) as { type?: string; n?: number }
      if (typeof n === 'number') events.push(n)
      if (type !== 'ping') return
      // what came before is read
      socket.send('{"type":"pong"}')
      isUseful ||= isGood
    })
    socket.send('{"type":"profiles","profiles":[]}')
  }

  const speak = async (socket: WebSocket, frames: Generator<string>, signal: AbortSignal) => {
    attend(socket)
    while (!signal.aborted && socket.readyState === socket.OPEN) {
      for (let i = 0; i < 100; i++) socket.send(frames.next().value)
      await sleep(20)
    }
    socket.terminate()
  }

  const attack = async (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (queue.length === 0) queue = attacks.toSorted(() => random() - 0.5)
    const name = queue.shift() ?? ''
    made.set(name, (made.get(name) ?? 0) + 1)
    const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(Math.round(span(random, name)))])
    const run = AFTER_REGISTRATION[name] ?? BEFORE_REGISTRATION[name]
    if (run) await Promise.all([run({ socket, request, signal, pick }), once(signal, 'abort')])
    else {
      const frames = name === FUZZED ? fuzzedFrames(pick) : sessionFrames(pick)
      webSockets.handleUpgrade(request, socket, head, (webSocket) => void speak(webSocket, frames, signal))
    }
    if (run) socket.destroy()
  }

  const server = createServer((request, response) => {
    response.on('error', () => {})
    if (!isGood) return void HTTP_ATTACKS[pick(HTTP_ATTACKS.length)]?.(response)
    const isPairing = request.url?.startsWith('/debug/pairing')
    response.statusCode = isPairing ? 200 : 404
    response.end(isPairing ? '{"robot_connections":["wimz_robot_99"]}' : '')
  })
  server.on('connection', (socket) => socket.on('error', () => {}))
  server.on('upgrade', (request, socket: Socket, head) => {
    if (isGood) webSockets.handleUpgrade(request, socket, head, attend)
    else void attack(request, socket, head)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const reform = () => {
    isGood = true
    ending.abort()
  }
  closeAfter(t, async () => {
    reform()
    for (const socket of webSockets.clients) socket.terminate()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/device`,
    made,
    events,
    reform,
    get isUseful() {
      return isUseful
    },
  }
}

function* sessionFrames(pick: (below: number) => number): Generator<string> {
  for (const frame of hostileSession(pick)) yield JSON.stringify(frame)
}

/** No pong: it would say that the relay has read what it has not. */
function* fuzzedFrames(pick: (below: number) => number): Generator<string> {
  for (;;) {
    for (const frame of hostileFrames(100, pick(2 ** 31))) {
      const text = String(frame)
      if (!text.includes('pong')) yield text
    }
  }
}
