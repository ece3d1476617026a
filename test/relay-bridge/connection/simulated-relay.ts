import { EventEmitter } from 'node:events'
import type WebSocket from 'ws'

/** How a connection breaks: seen by both ends (reset or half-closed), by neither, or by the robot alone (a NAT's reset). */
export type Cut = 'RST' | 'FIN' | 'silence' | 'RST of a NAT'

const DELAY_MS = 5
/** The relay's own pings notice a dead socket. */
const RELAY_PONG_TIMEOUT_MS = 90_000

/**
 * The registration of robots as the relay's servers do it, in the time of the test's clock: a new socket waits until its
 * predecessor is closed, which takes `closeWait` ms if that one is half-open; one that arrives during such a wait is
 * registered at once, and replaced when the wait ends (docs/relay-protocol.md, stale registrations).
 */
export class SimulatedRelay {
  readonly #closeWait: number
  registered: SimulatedSocket | undefined
  readonly sockets: SimulatedSocket[] = []

  constructor(closeWait: number) {
    this.#closeWait = closeWait
  }

  /** Whether the relay would route a frame to a socket that works. */
  get reachesRobot(): boolean {
    return this.registered?.isOpen === true && this.registered.cut === undefined
  }

  dial(): WebSocket {
    const socket = new SimulatedSocket(this)
    this.sockets.push(socket)
    setTimeout(() => socket.open(), DELAY_MS)
    return socket as unknown as WebSocket
  }

  cut(how: Cut): void {
    for (const socket of this.sockets) socket.break(how)
  }

  /** The upgrade was accepted. */
  accept(socket: SimulatedSocket): void {
    const old = this.registered
    const waits = old && !old.isClosing && old.isHalfOpen
    if (old && !old.isClosing && !old.isHalfOpen) old.closeByRelay(1000)
    if (old) old.isClosing = true
    if (waits) setTimeout(() => this.#register(socket), this.#closeWait)
    else this.#register(socket)
  }

  /** The relay has noticed the end of a socket. */
  ended(socket: SimulatedSocket): void {
    if (this.registered === socket && socket.isRead) this.registered = undefined
  }

  #register(socket: SimulatedSocket): void {
    this.registered = socket
    socket.isRead = true
    if (socket.isKnownDead) this.registered = undefined
    else socket.receive('{"type":"profiles","profiles":[]}')
  }
}

/** One WebSocket, both ends of it, as far as `RelaySocket` uses it. */
class SimulatedSocket extends EventEmitter {
  readonly #relay: SimulatedRelay
  readyState = 0
  readonly bufferedAmount = 0
  cut: Cut | undefined
  /** The relay is closing it for another one. */
  isClosing = false
  /** The relay has registered it, and reads it. */
  isRead = false
  isKnownDead = false
  #pings = 0

  constructor(relay: SimulatedRelay) {
    super()
    this.#relay = relay
  }

  get isOpen(): boolean {
    return this.readyState === 1
  }

  /** The robot's end is gone, or unreachable, and the relay has not noticed. */
  get isHalfOpen(): boolean {
    return (this.cut !== undefined || !this.isOpen) && !this.isKnownDead
  }

  open(): void {
    if (this.readyState !== 0) return
    this.readyState = 1
    this.emit('open')
    this.#relay.accept(this)
  }

  break(how: Cut): void {
    if (this.readyState !== 1 || this.cut) return
    this.cut = how
    if (how === 'silence' || how === 'RST of a NAT')
      setTimeout(() => this.#relayNotices(), RELAY_PONG_TIMEOUT_MS)
    else this.#relayNotices()
    if (how === 'silence') return
    if (how !== 'FIN') this.emit('error', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    this.#endHere(1006)
  }

  send(text: string, done?: (err?: Error) => void): void {
    done?.()
    if (this.cut || text !== '{"type":"ping"}') return
    this.#pings++
    if (this.isRead) this.#answerPings()
  }

  ping(_data: string, _mask: boolean, done: (err?: Error) => void): void {
    done()
    if (!this.cut) setTimeout(() => !this.cut && this.isOpen && this.emit('pong'), DELAY_MS)
  }

  close(code: number): void {
    if (this.readyState !== 1) return
    this.readyState = 2
    if (this.cut) return
    this.#relayNotices()
    setTimeout(() => this.#endHere(code), DELAY_MS)
  }

  closeByRelay(code: number): void {
    this.isKnownDead = true
    this.#endHere(code)
  }

  terminate(): void {
    if (this.readyState === 1 && !this.cut) this.#relayNotices()
    this.readyState = 3
  }

  receive(text: string): void {
    if (this.cut || !this.isOpen) return
    this.emit('message', Buffer.from(text), false)
    this.#answerPings()
  }

  #answerPings(): void {
    for (; this.#pings > 0; this.#pings--) {
      setTimeout(
        () => !this.cut && this.isOpen && this.emit('message', Buffer.from('{"type":"pong"}'), false),
      )
    }
  }

  #relayNotices(): void {
    this.isKnownDead = true
    this.#relay.ended(this)
  }

  #endHere(code: number): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.emit('close', code, Buffer.alloc(0))
  }
}
