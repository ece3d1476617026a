import type { LookupFunction } from 'node:net'
import WebSocket, { type ClientOptions, type RawData } from 'ws'
import { STOP_NAMES } from '#commands/drive/drive.ts'
import { hideSignatures } from '#lib/redact.ts'
import { TokenBucket } from '#lib/token-bucket.ts'
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

/** A half-open connection is detected within 12 s: with 5 s of backoff and the 20 s that the relay may then wait, apps find the robot again within 40 s. */
export const SOCKET_TIMES: SocketTimes = { connect: 10_000, ping: 4_000, pong: 8_000, register: 35_000 }

/**
 * Above MAX_TEXT_BYTES, because a frame over the limit of `ws` ends the connection; the relay accepts no larger one either. A
 * frame takes twice as much memory until it is dropped.
 */
const MAX_FRAME_BYTES = 16 * 1024 * 1024
const MAX_TEXT_BYTES = 8 * 1024 * 1024
/** A text of 8 MiB takes several times as much memory until it is on the bus, and garbage is collected late. */
const LARGE_BYTES = 16 * 1024
const LARGE_BURST_BYTES = MAX_TEXT_BYTES
const LARGE_BYTES_PER_SECOND = 2 * 1024 * 1024
/** In place of a stop that is too large. */
const STOP = '{"type":"command","command":"stop"}'
/** More bytes waiting in the socket mean that the relay has stopped reading. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024

/** Ping interval before the registration: a dead socket that the relay registers late must be detected soon. */
const PING_UNREGISTERED_MS = 2_000
/** RFC 6455 §7.4.1. */
const NO_CLOSE_FRAME = 1006
/** Answers 1xx before the one to the upgrade. RFC 9110 §15.2. */
const MAX_INFORMATIONAL = 16
const HANDSHAKE_TIMEOUT = 'no answer to the upgrade in time'

/** Errors of a dial that reached no relay. */
const UNREACHABLE = new Set([
  ...['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'ETIMEDOUT'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL'],
])

export type WebSocketFactory = (url: URL, options: ClientOptions) => WebSocket

export interface RelaySocketOptions {
  url: URL
  lookup?: LookupFunction
  headers: Record<string, string>
  times: SocketTimes
  /** Replaced by a simulated relay in tests. */
  createWebSocket?: WebSocketFactory | undefined
  /** The `Date` header of the answer to the upgrade, and the time since the dial, in ms. */
  onDate(date: string | undefined, took: number): void
  /** The upgrade was accepted; the socket may not be registered yet. */
  onOpen(): void
  /** The first text frame: it proves the registration. */
  onRegistered(): void
  /** A text frame. */
  onText(text: string): void
  /** A frame was dropped unread: it is binary, too large, or one large frame too many. */
  onUnreadable(kind: UnreadableKind): void
}

export type UnreadableKind = 'binary' | 'too-large' | 'too-many-large'

/** One WebSocket to the relay, from the dial to its end. `ended` always resolves, once. */
export class RelaySocket {
  readonly ended: Promise<Disconnect>
  readonly #options: RelaySocketOptions
  readonly #socket: WebSocket
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #resolve: (disconnect: Disconnect) => void
  #openedAt: number | undefined
  #usefulAt: number | undefined
  #requestSent = false
  /** Bytes of large frames since the last collection. */
  #garbage = { received: 0, read: 0 }
  readonly #largeBytes = new TokenBucket(LARGE_BURST_BYTES, LARGE_BYTES_PER_SECOND)

  /** Dials at once. */
  constructor(options: RelaySocketOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<Disconnect>()
    this.ended = promise
    this.#resolve = resolve
    const create = options.createWebSocket ?? ((url, settings) => new WebSocket(url, settings))
    this.#socket = create(options.url, {
      headers: options.headers,
      finishRequest: (request) => {
        request.once('socket', (socket) => socket.once('connect', () => (this.#requestSent = true)))
        let left = MAX_INFORMATIONAL
        request.on('information', () => left-- > 0 || this.abort('informational answers without end'))
        request.end()
      },
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      ...(options.lookup ? { lookup: options.lookup } : {}),
    })
    // the timeout of `ws` restarts with every byte of the answer
    this.#after(options.times.connect, () => {
      if (this.#openedAt === undefined) this.#end(null, HANDSHAKE_TIMEOUT, { unclean: true })
    })
    const dialedAt = performance.now()
    this.#socket.on('upgrade', ({ headers }) => options.onDate(headers.date, performance.now() - dialedAt))
    this.#socket.on('open', () => this.#opened())
    this.#socket.on('message', (data, isBinary) => this.#received(data, isBinary))
    this.#socket.on('unexpected-response', (_request, { statusCode, headers }) =>
      this.#end(statusCode ?? null, `HTTP ${statusCode} on the upgrade`, {
        retryAfter: secondsOf(headers['retry-after']),
      }),
    )
    this.#socket.on('error', (err: NodeJS.ErrnoException) =>
      // a reset may come from a proxy or NAT in between, and says nothing about the relay
      this.#end(null, err.message, { unclean: true, unreachable: UNREACHABLE.has(errorCode(err)) }),
    )
    this.#socket.on('close', (code, reason) => {
      this.#end(code, hideSignatures(reason.toString('utf8')), { unclean: code === NO_CLOSE_FRAME })
      // what came of a frame that was never complete
      setImmediate(() => void globalThis.gc?.({ type: 'major' }))
    })
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
      this.#after(grace, () => this.#end(code, reason, { unclean: true }))
    }
  }

  #opened(): void {
    this.#openedAt = performance.now()
    this.#after(this.#options.times.register, () => {
      if (this.#usefulAt === undefined) this.abort('not registered in time')
    })
    this.#keepAlive()
    this.#options.onOpen()
  }

  #received(data: RawData, isBinary: boolean): void {
    const bytes = data as Buffer // the default binaryType of `ws`
    const unreadable = this.#whyUnreadable(bytes, isBinary)
    this.#limitGarbage(bytes.length, !unreadable)
    if (unreadable) {
      this.#options.onUnreadable(unreadable)
      if (!isBinary && namesStop(bytes)) this.#options.onText(STOP)
      return
    }
    if (this.#usefulAt === undefined) {
      this.#usefulAt = performance.now()
      this.#options.onRegistered()
    }
    this.#options.onText(takeText(bytes))
  }

  /**
   * Collects the garbage of large frames, which V8 lets accumulate to 100 MiB: received bytes by minor collections (1 ms),
   * texts, which are larger than its young generation, by major ones (20 ms).
   */
  #limitGarbage(length: number, isRead: boolean): void {
    if (length <= LARGE_BYTES) return
    const bytes = this.#garbage
    bytes.received += length
    if (isRead) bytes.read += length
    if (bytes.read >= MAX_TEXT_BYTES / 2) {
      this.#garbage = { received: 0, read: 0 }
      void globalThis.gc?.({ type: 'major' })
    } else if (bytes.received >= MAX_TEXT_BYTES) {
      bytes.received = 0
      void globalThis.gc?.({ type: 'minor' })
    }
  }

  #whyUnreadable({ length }: Buffer, isBinary: boolean): UnreadableKind | undefined {
    if (isBinary) return 'binary'
    if (length > MAX_TEXT_BYTES) return 'too-large'
    return length > LARGE_BYTES && !this.#largeBytes.take(length) ? 'too-many-large' : undefined
  }

  /**
   * WebSocket pings, because a late JSON pong only means that the relay is busy (docs/relay-protocol.md, keepalive). The relay
   * answers them while it waits for the predecessor; before the registration a missing pong counts only after an earlier one.
   */
  #keepAlive(): void {
    const { ping, pong } = this.#options.times
    let deadline: NodeJS.Timeout | undefined
    let hasAnswered = false
    const sendPing = () => {
      if (this.#socket.readyState !== WebSocket.OPEN) return
      this.#socket.ping('', true, (err) => {
        if (err) this.abort(`ping failed: ${err.message}`)
      })
      deadline = this.#after(pong, () => {
        if (hasAnswered || this.#usefulAt !== undefined) this.abort('no pong in time')
        else sendPing()
      })
    }
    this.#socket.on('pong', () => {
      if (deadline === undefined) return // an unsolicited pong (RFC 6455 §5.5.3) must not start a second series
      hasAnswered = true
      clearTimeout(deadline)
      this.#timers.delete(deadline)
      deadline = undefined
      this.#after(this.#usefulAt === undefined ? Math.min(ping, PING_UNREGISTERED_MS) : ping, sendPing)
    })
    sendPing()
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
    {
      unclean = false,
      unreachable = false,
      retryAfter,
    }: Partial<Pick<Disconnect, 'unclean' | 'unreachable' | 'retryAfter'>> = {},
  ): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    const [openFor, usefulFor] = [since(this.#openedAt), since(this.#usefulAt)]
    const mayBeOpen = openFor > 0 || (this.#requestSent && reason === HANDSHAKE_TIMEOUT)
    const facts = { openFor, usefulFor, mayBeOpen, unclean: unclean && mayBeOpen, unreachable, retryAfter }
    this.#resolve({ code, reason, ...facts })
    this.#socket.terminate()
  }
}

/** Whether a frame that is dropped unread may stop the robot: then it does, since no limit may delay a stop. */
function namesStop(bytes: Buffer): boolean {
  return STOP_NAMES.some((name) => bytes.includes(JSON.stringify(name)))
}

/** The text of a frame. The memory of a large one is freed at once: the text is copied several times until it is on the bus. */
function takeText(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  const { buffer } = bytes
  // unless it is shared with other frames
  if (bytes.length > LARGE_BYTES && buffer.byteLength === bytes.length && buffer instanceof ArrayBuffer)
    buffer.transfer(0)
  return text
}

/** Of a Retry-After header, in ms; undefined for any other form than a number of seconds. RFC 9110 §10.2.3. */
function secondsOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d+$/.test(header) ? Number(header) * 1_000 : undefined
}

/** When several addresses all failed, the error is an AggregateError. */
function errorCode(err: NodeJS.ErrnoException): string {
  const [first] = err instanceof AggregateError ? (err.errors as NodeJS.ErrnoException[]) : [err]
  return first?.code ?? ''
}

function since(start: number | undefined): number {
  return start === undefined ? 0 : performance.now() - start
}
