import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type WebSocket, WebSocketServer } from 'ws'

/** How a connection breaks: seen by both ends, or by neither. */
export type RealCut = 'RST' | 'FIN' | 'silence'

/** The relay's own pings notice a dead socket. */
const RELAY_PONG_TIMEOUT_MS = 90_000

interface Peer {
  socket: WebSocket
  raw: Socket
  cut: RealCut | undefined
  /** The relay is closing it for another one. */
  isClosing: boolean
  /** Registered, and read. */
  isRead: boolean
  isKnownDead: boolean
  pings: number
}

/** The registration of `simulated-relay.ts` with real sockets, in real time. */
export class ScriptedRelay {
  readonly #server: WebSocketServer
  readonly #closeWait: number
  readonly #peers: Peer[] = []
  readonly #timers = new Set<NodeJS.Timeout>()
  #registered: Peer | undefined

  private constructor(server: WebSocketServer, closeWait: number) {
    this.#server = server
    this.#closeWait = closeWait
    server.on('connection', (socket: WebSocket, { socket: raw }) => this.#connected(socket, raw))
  }

  static async listen(t: TestContext, closeWait: number): Promise<ScriptedRelay> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    const relay = new ScriptedRelay(server, closeWait)
    t.after(() => relay.#close())
    return relay
  }

  get url(): URL {
    return new URL(`ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`)
  }

  /** Whether a frame that the relay routes reaches the robot. */
  get reachesRobot(): boolean {
    return this.#registered !== undefined && isWhole(this.#registered)
  }

  /** Whether a connection is open, registered or not. */
  get isConnected(): boolean {
    return this.#peers.some(isWhole)
  }

  cut(how: RealCut): void {
    for (const peer of this.#peers.filter(isWhole)) {
      peer.cut = how
      // no pong, no answer, and the end of the other side is not noticed
      if (how === 'silence') peer.raw.pause()
      if (how === 'silence') this.#after(RELAY_PONG_TIMEOUT_MS, () => this.#notice(peer))
      else this.#notice(peer)
      if (how === 'RST') peer.raw.resetAndDestroy()
      if (how === 'FIN') peer.raw.end()
    }
  }

  #connected(socket: WebSocket, raw: Socket): void {
    const state = { cut: undefined, isClosing: false, isRead: false, isKnownDead: false, pings: 0 }
    const peer: Peer = { socket, raw, ...state }
    this.#peers.push(peer)
    socket.on('error', () => {})
    socket.on('close', () => this.#notice(peer))
    socket.on('message', (data) => {
      if (String(data) !== '{"type":"ping"}') return
      peer.pings++
      if (peer.isRead) answerPings(peer)
    })
    const old = this.#registered
    const waits = old && !old.isClosing && !old.isKnownDead && !isWhole(old)
    if (old && !old.isClosing && isWhole(old)) {
      old.isKnownDead = true
      old.socket.close(1000)
    }
    if (old) old.isClosing = true
    if (waits) this.#after(this.#closeWait, () => this.#register(peer))
    else this.#register(peer)
  }

  #register(peer: Peer): void {
    this.#registered = peer.isKnownDead ? undefined : peer
    peer.isRead = true
    if (!isWhole(peer)) return
    peer.socket.send('{"type":"profiles","profiles":[]}')
    answerPings(peer)
  }

  /** The relay has noticed the end of a socket. */
  #notice(peer: Peer): void {
    peer.isKnownDead = true
    if (this.#registered === peer && peer.isRead) this.#registered = undefined
  }

  #after(ms: number, run: () => void): void {
    this.#timers.add(setTimeout(run, ms))
  }

  #close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const { socket } of this.#peers) socket.terminate()
    this.#server.close()
  }
}

function isWhole({ cut, socket, isKnownDead }: Peer): boolean {
  return cut === undefined && !isKnownDead && socket.readyState === socket.OPEN
}

function answerPings(peer: Peer): void {
  for (; peer.pings > 0 && isWhole(peer); peer.pings--) peer.socket.send('{"type":"pong"}')
}
