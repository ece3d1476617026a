import type { LookupFunction } from 'node:net'
import WebSocket, { type RawData } from 'ws'
import { hideSignatures } from '#lib/redact.ts'
import type { Disconnect } from './disconnect.ts'

/** Times of one connection, in milliseconds. */
export interface SocketTimes {
  /** From the dial to the answer to the upgrade. */
  connect: number
  /** Interval of the WebSocket pings, and deadline of the pong. */
  ping: number
  pong: number
  /** An open socket can stay silent for 20 s while the relay waits for its predecessor (docs/relay-protocol.md, stale registrations). */
  register: number
}

export const SOCKET_TIMES: SocketTimes = { connect: 10_000, ping: 15_000, pong: 10_000, register: 35_000 }

/** Above MAX_TEXT_BYTES, because a frame over the limit of `ws` ends the connection. */
const MAX_FRAME_BYTES = 32 * 1024 * 1024
const MAX_TEXT_BYTES = 8 * 1024 * 1024
/** More bytes waiting in the socket mean that the relay has stopped reading. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024

/** Errors of a dial that reached no relay. */
const UNREACHABLE = new Set([
  ...['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'ETIMEDOUT'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL'],
])

export interface RelaySocketOptions {
  url: URL
  lookup?: LookupFunction
  headers: Record<string, string>
  times: SocketTimes
  /** The `Date` header of the answer to the upgrade, and the time since the dial, ms. */
  onDate(date: string | undefined, took: number): void
  /** The upgrade was accepted; the socket may not be registered yet. */
  onOpen(): void
  /** A text frame; the first one proves the registration. */
  onText(text: string): void
  /** A frame that is binary or too large. */
  onUnreadable(kind: 'binary' | 'too-large'): void
}

/** One WebSocket to the relay, from the dial to its end. `ended` always resolves, once. */
export class RelaySocket {
  readonly ended: Promise<Disconnect>
  readonly #options: RelaySocketOptions
  readonly #socket: WebSocket
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #resolve: (disconnect: Disconnect) => void
  #openedAt: number | undefined
  #usefulAt: number | undefined

  /** Dials at once. */
  constructor(options: RelaySocketOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<Disconnect>()
    this.ended = promise
    this.#resolve = resolve
    this.#socket = new WebSocket(options.url, {
      headers: options.headers,
      handshakeTimeout: options.times.connect,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      ...(options.lookup ? { lookup: options.lookup } : {}),
    })
    const dialedAt = performance.now()
    this.#socket.on('upgrade', ({ headers }) => options.onDate(headers.date, performance.now() - dialedAt))
    this.#socket.on('open', () => this.#opened())
    this.#socket.on('message', (data, isBinary) => this.#received(data, isBinary))
    this.#socket.on('unexpected-response', (_request, { statusCode }) =>
      this.#end(statusCode ?? null, `HTTP ${statusCode} on the upgrade`),
    )
    this.#socket.on('error', (err: NodeJS.ErrnoException) =>
      this.#end(null, err.message, {
        unclean: err.code !== 'ECONNRESET',
        unreachable: UNREACHABLE.has(errorCode(err)),
      }),
    )
    this.#socket.on('close', (code, reason) => this.#end(code, hideSignatures(reason.toString('utf8'))))
  }

  /** Sends a text frame; false when the socket is not open. A failure ends the connection at once. */
  send(text: string): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return false
    if (this.bufferedBytes > MAX_BUFFERED_BYTES) {
      this.abort('the relay does not read')
      return false
    }
    this.#socket.send(text, (err) => {
      if (err) this.abort(`send failed: ${err.message}`)
    })
    return true
  }

  /** Bytes that wait to be sent. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  /** Ends the connection without a close frame. */
  abort(reason: string): void {
    this.#end(1006, reason, { unclean: true })
  }

  /** Ends the connection with a close frame, and waits at most `grace` ms for the relay's. */
  close(code: number, reason: string, grace = 1_000): void {
    if (this.#socket.readyState === WebSocket.CONNECTING) {
      this.#end(null, reason)
    } else {
      this.#socket.close(code, reason)
      this.#after(grace, () => this.#end(code, reason))
    }
  }

  #opened(): void {
    this.#openedAt = performance.now()
    this.#after(this.#options.times.register, () => {
      if (this.#usefulAt === undefined) this.abort('not registered in time')
    })
    this.#options.onOpen()
  }

  #received(data: RawData, isBinary: boolean): void {
    const bytes = data as Buffer // the default binaryType of `ws`
    if (isBinary || bytes.length > MAX_TEXT_BYTES) {
      this.#options.onUnreadable(isBinary ? 'binary' : 'too-large')
      return
    }
    if (this.#usefulAt === undefined) {
      this.#usefulAt = performance.now()
      // not earlier: while it waits for the predecessor the relay may not answer
      this.#keepAlive()
    }
    this.#options.onText(bytes.toString('utf8'))
  }

  /** WebSocket pings, because a late JSON pong only means that the relay is busy (docs/relay-protocol.md, keepalive). */
  #keepAlive(): void {
    const { ping, pong } = this.#options.times
    let deadline: NodeJS.Timeout | undefined
    const sendPing = () => {
      if (this.#socket.readyState !== WebSocket.OPEN) return
      this.#socket.ping('', true, (err) => {
        if (err) this.abort(`ping failed: ${err.message}`)
      })
      deadline = this.#after(pong, () => this.abort('no pong in time'))
    }
    this.#socket.on('pong', () => {
      if (deadline === undefined) return // an unsolicited pong (RFC 6455 §5.5.3) must not start a second series
      clearTimeout(deadline)
      this.#timers.delete(deadline)
      deadline = undefined
      this.#after(ping, sendPing)
    })
    this.#after(ping, sendPing)
  }

  #after(ms: number, then: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      then()
    }, ms)
    this.#timers.add(timer)
    return timer
  }

  #end(
    code: number | null,
    reason: string,
    { unclean = false, unreachable = false }: { unclean?: boolean; unreachable?: boolean } = {},
  ): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    const [openFor, usefulFor] = [since(this.#openedAt), since(this.#usefulAt)]
    this.#resolve({ code, reason, openFor, usefulFor, unclean: unclean && openFor > 0, unreachable })
    this.#socket.terminate()
  }
}

/** When several addresses all failed, the error is an AggregateError. */
function errorCode(err: NodeJS.ErrnoException): string {
  const [first] = err instanceof AggregateError ? (err.errors as NodeJS.ErrnoException[]) : [err]
  return first?.code ?? ''
}

function since(start: number | undefined): number {
  return start === undefined ? 0 : performance.now() - start
}
