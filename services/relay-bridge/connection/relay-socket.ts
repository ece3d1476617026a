import type { LookupFunction } from 'node:net'
import WebSocket, { type RawData } from 'ws'
import { hideSignatures } from '#lib/redact.ts'
import type { Ending } from './disconnect.ts'

/** Times of one connection, in milliseconds. */
export interface SocketTimes {
  /** Until the upgrade is answered. */
  connect: number
  /** Between our WebSocket pings, and until the pong is due. */
  ping: number
  pong: number
  /** An open socket may stay silent for 20 s while the relay waits for our predecessor (API_CONTRACT 8). */
  register: number
}

export const SOCKET_TIMES: SocketTimes = { connect: 10_000, ping: 15_000, pong: 10_000, register: 35_000 }

/** Accepted by `ws`; larger frames would end the link, so the limit lies above what we read (API_CONTRACT 6, 38). */
const FRAME_LIMIT = 32 * 1024 * 1024
const TEXT_LIMIT = 8 * 1024 * 1024
/** Bytes that may wait in our own socket; more means that the relay has stopped reading. */
const WAITING_LIMIT = 8 * 1024 * 1024

/** Errors of a dial that never reached a relay. */
const UNREACHABLE = new Set([
  ...['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'ETIMEDOUT'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL'],
])

export interface RelaySocketOptions {
  url: URL
  lookup?: LookupFunction
  headers: Record<string, string>
  times: SocketTimes
  /** The `Date` header of the answer to the upgrade, and the time from the dial to it, ms. */
  onDate(date: string | undefined, took: number): void
  /** The upgrade was accepted, which is not yet a registration. */
  onOpen(): void
  /** A text frame; the first one proves the registration (API_CONTRACT 1.6). */
  onText(text: string): void
  /** A frame that is binary or too large. */
  onUnreadable(kind: 'binary' | 'too-large'): void
}

/** One connection to the relay, from the dial to its end. Whatever happens, `ended` resolves exactly once. */
export class RelaySocket {
  readonly ended: Promise<Ending>
  readonly #options: RelaySocketOptions
  readonly #socket: WebSocket
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #resolve: (ending: Ending) => void
  #openedAt: number | undefined
  #usefulAt: number | undefined

  /** Dials at once. */
  constructor(options: RelaySocketOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<Ending>()
    this.ended = promise
    this.#resolve = resolve
    this.#socket = new WebSocket(options.url, {
      headers: options.headers,
      handshakeTimeout: options.times.connect,
      maxPayload: FRAME_LIMIT,
      perMessageDeflate: false,
      ...(options.lookup ? { lookup: options.lookup } : {}),
    })
    const dialled = performance.now()
    this.#socket.on('upgrade', ({ headers }) => options.onDate(headers.date, performance.now() - dialled))
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

  /** Sends a text frame; false when there is no open socket. A failure ends the connection at once. */
  send(text: string): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return false
    if (this.waiting > WAITING_LIMIT) {
      this.giveUp('the relay does not read')
      return false
    }
    this.#socket.send(text, (err) => {
      if (err) this.giveUp(`send failed: ${err.message}`)
    })
    return true
  }

  /** Bytes that wait to be sent. */
  get waiting(): number {
    return this.#socket.bufferedAmount
  }

  /** Ends a connection that is of no use, without a goodbye. */
  giveUp(reason: string): void {
    this.#end(1006, reason, { unclean: true })
  }

  /** Ends the connection with a close frame; its answer is waited for `grace` ms at most. */
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
      if (this.#usefulAt === undefined) this.giveUp('open, but not registered in time')
    })
    this.#options.onOpen()
  }

  #received(data: RawData, isBinary: boolean): void {
    const bytes = data as Buffer // `ws` gives a Buffer unless binaryType says otherwise
    if (isBinary || bytes.length > TEXT_LIMIT) {
      this.#options.onUnreadable(isBinary ? 'binary' : 'too-large')
      return
    }
    if (this.#usefulAt === undefined) {
      this.#usefulAt = performance.now()
      // not before: while it waits for our predecessor the relay may answer nothing, and must not be given up
      this.#keepAlive()
    }
    this.#options.onText(bytes.toString('utf8'))
  }

  /** Pings on the WebSocket level: a late JSON pong only means that the relay is busy (API_CONTRACT 8). */
  #keepAlive(): void {
    const { ping, pong } = this.#options.times
    let deadline: NodeJS.Timeout | undefined
    const sendPing = () => {
      if (this.#socket.readyState !== WebSocket.OPEN) return
      this.#socket.ping('', true, (err) => {
        if (err) this.giveUp(`ping failed: ${err.message}`)
      })
      deadline = this.#after(pong, () => this.giveUp('no pong in time'))
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

/** Several addresses that all failed are one AggregateError. */
function errorCode(err: NodeJS.ErrnoException): string {
  const [first] = err instanceof AggregateError ? (err.errors as NodeJS.ErrnoException[]) : [err]
  return first?.code ?? ''
}

function since(start: number | undefined): number {
  return start === undefined ? 0 : performance.now() - start
}
