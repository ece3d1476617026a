/** The room of the connection to the relay: dialing, authentication, retries. Other rooms use {@link RelayConnection}. */
import { EventEmitter } from 'node:events'
import type { LookupFunction } from 'node:net'
import type { RelayConnectionState } from '#bus/messages.ts'
import { shownAddress } from '#lib/http/relay-address.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { encodeFrame } from '../protocol/frame.ts'
import { authHeaders, type Credentials } from './credentials.ts'
import type { Disconnect } from './disconnect.ts'
import { logDisconnect } from './disconnect-log.ts'
import { createLookup } from './dns-fallback.ts'
import type { LastConnection } from './last-connection-state.ts'
import { RelayAttempt } from './relay-attempt.ts'
import type { SocketTimes, WebSocketFactory } from './relay-socket.ts'
import { type Retry, RetrySchedule } from './retry-schedule.ts'
import { waitForPort } from './wait-for-port.ts'

interface RelayConnectionEvents {
  /** `relay-bridge/link` changed. */
  state: [RelayConnectionState]
  /** The relay's answer to a dial carried its time (RFC 9110 §6.6.1); the request took `took` ms. */
  date: [date: string | undefined, took: number]
  /** The socket is open; the relay may not have registered it yet. */
  open: []
  /** The first frame arrived: the relay has registered this socket. */
  registered: [{ afterUncleanLoss: boolean }]
  text: [string]
  /** A socket that was open has ended. */
  lost: [Disconnect]
}

export interface RelayConnectionOptions {
  url: URL
  /** Read before each attempt, because they may have been corrected. */
  credentials(): Credentials
  /** Cap of the fast retries, in ms. */
  reconnectDelay: number
  times: SocketTimes
  last: LastConnection
  log: Logger
  /** Replaced by a simulated relay in tests. */
  createWebSocket?: WebSocketFactory | undefined
}

type Detail = Partial<Pick<RelayConnectionState, 'app_present' | 'outbox'>>

/** The WebSocket connection to the relay, kept up until disposed: dial, use, wait, dial again. */
export class RelayConnection extends EventEmitter<RelayConnectionEvents> implements AsyncDisposable {
  readonly #options: RelayConnectionOptions
  readonly #schedule: RetrySchedule
  readonly #lookup: LookupFunction = createLookup()
  readonly #stopping = new AbortController()
  readonly #unreadable
  #loop: Promise<void> | undefined
  #attempt: RelayAttempt | undefined
  /** Aborting it ends the wait before the next dial. */
  #wake = new AbortController()
  #paused = false
  #redialing = false
  #oldSignature = false
  #alarm: Retry['alarm']
  #unclean: boolean
  /** The previous attempt ended before it was registered. */
  #afterAbandoned = false
  #state: RelayConnectionState

  constructor(options: RelayConnectionOptions) {
    super()
    this.#options = options
    this.#schedule = new RetrySchedule(options.reconnectDelay)
    this.#unreadable = createEventCounter(options.log, 'unreadable frames of the relay dropped')
    this.#unclean = options.last.wasUnclean
    this.#state = initialState('connecting', shownAddress(options.url))
  }

  /** Starts dialing, once. Never throws for an unreachable relay. */
  start(): void {
    this.#loop ??= this.#run()
  }

  /** Whether the relay has answered on this socket. */
  get registered(): boolean {
    return this.#state.connected
  }

  /** Bytes that wait in the socket. */
  get bufferedBytes(): number {
    return this.#attempt?.bufferedBytes ?? 0
  }

  /** Sends a JSON object. Returns false, and discards the frame, when no socket is open. */
  send(frame: Record<string, unknown>): boolean {
    return this.sendText(encodeFrame(frame))
  }

  sendText(text: string): boolean {
    return this.#attempt?.send(text) ?? false
  }

  /** Ends the current connection without a close frame; the next dial follows. */
  abort(reason: string): void {
    this.#attempt?.abort(reason)
  }

  /** Changes the fields of `relay-bridge/link` that do not concern the socket. */
  setDetail(detail: Detail): void {
    this.#update(detail)
  }

  /** Closes the socket with a close frame and dials again at once. */
  redial(reason: string): void {
    this.#redialing = this.#attempt !== undefined
    this.#attempt?.close(1000, reason)
  }

  /** Stops dialing, or resumes at once. */
  pause(paused: boolean): void {
    if (paused === this.#paused) return
    this.#paused = paused
    this.#options.log.info(paused ? 'hotspot mode: relay paused' : 'hotspot mode off: dialing the relay')
    if (paused) this.#attempt?.close(1000, 'hotspot')
    this.#wake.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    this.#wake.abort()
    this.#attempt?.close(1000, 'robot stops')
    await this.#loop
    this.#unreadable[Symbol.dispose]()
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      if (this.#paused) {
        this.#update({ state: 'paused', next_retry_ms: null })
        await this.#wait(2 ** 31 - 1)
        continue
      }
      const { holdOff } = this.#options.last
      if (holdOff > 0) {
        this.#afterAbandoned = true
        this.#update({ state: 'waiting', next_retry_ms: Math.round(holdOff) })
        await this.#wait(holdOff)
        continue
      }
      const disconnect = await this.#connect()
      if (this.#stopping.signal.aborted) return
      await this.#waitAfter(disconnect)
    }
  }

  async #waitAfter(disconnect: Disconnect): Promise<void> {
    const retry = this.#retryAfter(disconnect)
    this.#oldSignature = retry.oldSignature
    if (this.#paused || retry.wait === 0) return
    this.#wake = new AbortController()
    const { signal } = this.#wake
    if (disconnect.unreachable)
      await waitForPort(this.#options.url, retry.wait, { signal, lookup: this.#lookup })
    else await this.#wait(retry.wait)
  }

  async #wait(ms: number): Promise<void> {
    if (this.#wake.signal.aborted) this.#wake = new AbortController()
    if (this.#stopping.signal.aborted) return
    await pause(ms, this.#wake.signal)
  }

  /** One attempt, from the dial to the end of the connection. */
  async #connect(): Promise<Disconnect> {
    const { url, times, last, createWebSocket } = this.#options
    this.#update({ state: 'connecting', next_retry_ms: null, attempts: this.#state.attempts + 1 })
    const attempt = new RelayAttempt({
      ...{ url, times, createWebSocket },
      lookup: this.#lookup,
      headers: authHeaders(this.#options.credentials(), this.#oldSignature ? 'id' : 'id:timestamp'),
      withCompanion: this.#afterAbandoned,
      onDate: (date, took) => this.emit('date', date, took),
      onOpen: () => {
        last.opened()
        this.#update({ state: 'registering' })
        this.emit('open')
      },
      onRegistered: () => this.#registered(attempt),
      onCompanionOpen: () => last.opened(),
      onFirstReplaced: () => last.registered(),
      onBothRegistered: () => {
        last.registered()
        this.redial('both sockets registered')
      },
      onText: (text) => this.emit('text', text),
      onUnreadable: (kind) => this.#unreadable.count(kind),
    })
    this.#attempt = attempt
    const disconnect = await attempt.ended
    this.#attempt = undefined
    if (disconnect.mayBeOpen) {
      if (disconnect.openFor === 0) last.opened()
      if (disconnect.usefulFor === 0 || attempt.hasPending) this.#afterAbandoned = true
      this.#unclean = disconnect.unclean || this.#afterAbandoned
      if (!this.#unclean && !attempt.hasPending) last.closed()
      this.emit('lost', disconnect)
    }
    return disconnect
  }

  #retryAfter(disconnect: Disconnect): Retry {
    if (this.#redialing && disconnect.openFor > 0) {
      this.#redialing = false
      this.#update({ connected: false, state: 'connecting', app_present: null })
      return { wait: 0, oldSignature: this.#oldSignature }
    }
    const retry = this.#schedule.next(disconnect)
    retry.wait = Math.max(retry.wait, this.#options.last.holdOff)
    // a form that has worked is used again
    if (this.#oldSignature && disconnect.usefulFor > 0) retry.oldSignature = true
    this.#report(disconnect, retry)
    return retry
  }

  #report({ code, reason }: Disconnect, retry: Retry): void {
    const { log, url } = this.#options
    const wasRegistered = this.#state.connected
    const facts = { code, reason, next_retry_ms: Math.round(retry.wait) }
    const isFirst = wasRegistered || this.#state.attempts === 1
    logDisconnect(log, { facts, retry, url, lastAlarm: this.#alarm, isFirst })
    this.#alarm = retry.alarm
    this.#update({
      state: retry.alarm === 'auth_failed' ? 'auth_failed' : 'waiting',
      connected: false,
      app_present: null,
      next_retry_ms: facts.next_retry_ms,
      last_close: { code, reason, at: Date.now() },
      ...(wasRegistered ? { since: Date.now(), attempts: 0 } : {}),
    })
  }

  #registered({ hasPending }: RelayAttempt): void {
    // with a pending socket the next process must hold off
    if (!hasPending) this.#options.last.registered()
    this.#alarm = undefined
    this.#options.log.info({ attempts: this.#state.attempts }, 'registered with the relay')
    this.#update({ state: 'online', connected: true, since: Date.now(), attempts: 0 })
    this.emit('registered', { afterUncleanLoss: this.#unclean })
    this.#unclean = false
    this.#afterAbandoned = false
  }

  #update(facts: Partial<RelayConnectionState>): void {
    this.#state = { ...this.#state, ...facts }
    this.emit('state', this.#state)
  }
}

/** Resolves after `ms`, or when the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** What `relay-bridge/link` says before the first attempt. */
export function initialState(state: RelayConnectionState['state'], url: string | null): RelayConnectionState {
  return {
    state,
    connected: false,
    url,
    since: Date.now(),
    attempts: 0,
    last_close: null,
    next_retry_ms: null,
    app_present: null,
    outbox: { depth: 0, dropped: 0 },
  }
}
