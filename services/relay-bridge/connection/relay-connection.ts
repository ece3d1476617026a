import type { LookupFunction } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RelayConnectionState as LinkMessage } from '#bus/messages.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import type { Wire } from '../outbox/outbox-sender.ts'
import { authHeaders, type Credentials } from './credentials.ts'
import type { Ending } from './disconnect.ts'
import { tellOfLoss } from './disconnect-log.ts'
import { createLookup } from './dns-fallback.ts'
import type { LastConnection } from './last-connection-state.ts'
import { shownAddress } from './relay-address.ts'
import { RelaySocket, type SocketTimes } from './relay-socket.ts'
import { type Retry, RetrySchedule } from './retry-schedule.ts'
import { waitForRelay } from './wait-for-port.ts'

/** What the link tells the parts that use it. */
interface LinkEvents {
  /** The state changed. */
  onState(state: LinkMessage): void
  /** The relay's answer to a dial carried its time (RFC 9110 §6.6.1). */
  onDate(date: string | undefined, took: number): void
  /** The socket is open: greet. */
  onOpen(): void
  /** The first frame came: the relay knows us. */
  onRegistered(facts: { afterUncleanLoss: boolean }): void
  onText(text: string): void
  /** A socket that was open is gone. */
  onLost(ending: Ending): void
}

export interface LinkOptions extends LinkEvents {
  url: URL
  /** Read before each try: they may have been mended. */
  credentials(): Credentials
  /** Cap of the fast retries, ms. */
  reconnectDelay: number
  times: SocketTimes
  last: LastConnection
  log: Logger
}

type Note = Partial<Pick<LinkMessage, 'app_present' | 'outbox'>>

/** The connection to the relay, kept up for ever: dial, use, wait, dial again. */
export interface Link extends AsyncDisposable, Wire {
  /** Sends a JSON object; false, and the frame is gone, when no socket is open. */
  send(frame: Record<string, unknown>): boolean
  /** Registered: the relay has answered on this socket. */
  readonly registered: boolean
  /** Changes what `relay-bridge/link` says beside the connection itself. */
  note(facts: Note): void
  /** Closes the socket in good order and dials again at once. */
  redial(reason: string): void
  /** Stays away from the relay, or comes back at once. */
  pause(paused: boolean): void
}

/** Starts dialling. Never throws for a relay that is away. */
export function runLink(options: LinkOptions): Link {
  return new RelayLink(options)
}

class RelayLink implements Link {
  readonly #options: LinkOptions
  readonly #schedule
  readonly #lookup: LookupFunction = createLookup()
  readonly #stopping = new AbortController()
  readonly #unreadable
  readonly #loop: Promise<void>
  #socket: RelaySocket | undefined
  /** Ends the wait before the next dial. */
  #hurry = new AbortController()
  #paused = false
  #redialling = false
  #oldSignature = false
  #alarm: Retry['alarm']
  #unclean: boolean
  #state: LinkMessage

  constructor(options: LinkOptions) {
    this.#options = options
    this.#schedule = new RetrySchedule(options.reconnectDelay)
    this.#unreadable = createEventCounter(options.log, 'unreadable frames of the relay dropped')
    this.#unclean = options.last.wasUnclean
    this.#state = {
      state: 'connecting',
      connected: false,
      url: shownAddress(options.url),
      since: Date.now(),
      attempts: 0,
      last_close: null,
      next_retry_ms: null,
      app_present: null,
      outbox: { depth: 0, dropped: 0 },
    }
    this.#loop = this.#run()
  }

  get registered(): boolean {
    return this.#state.connected
  }
  get waiting(): number {
    return this.#socket?.waiting ?? 0
  }

  send(frame: Record<string, unknown>): boolean {
    return this.sendText(JSON.stringify(frame))
  }

  sendText(text: string): boolean {
    return this.#socket?.send(text) ?? false
  }

  giveUp(reason: string): void {
    this.#socket?.giveUp(reason)
  }

  note(facts: Note): void {
    this.#say(facts)
  }

  redial(reason: string): void {
    this.#redialling = true
    this.#socket?.close(1000, reason)
  }

  pause(paused: boolean): void {
    if (paused === this.#paused) return
    this.#paused = paused
    this.#options.log.info(paused ? 'the robot is its own hotspot: no relay' : 'the hotspot is off: dialling')
    if (paused) this.#socket?.close(1000, 'hotspot')
    this.#hurry.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    this.#hurry.abort()
    this.#socket?.close(1000, 'robot stops')
    await this.#loop
    this.#unreadable[Symbol.dispose]()
  }

  async #run(): Promise<void> {
    await this.#wait(this.#options.last.holdOff)
    while (!this.#stopping.signal.aborted) {
      if (this.#paused) {
        this.#say({ state: 'paused', next_retry_ms: null })
        await this.#wait(2 ** 31 - 1)
        continue
      }
      const ending = await this.#connect()
      if (this.#stopping.signal.aborted) return
      await this.#waitAfter(ending)
    }
  }

  async #waitAfter(ending: Ending): Promise<void> {
    const retry = this.#retryAfter(ending)
    this.#oldSignature = retry.oldSignature
    if (this.#paused || retry.wait === 0) return
    this.#hurry = new AbortController()
    const { signal } = this.#hurry
    if (ending.unreachable)
      await waitForRelay(this.#options.url, retry.wait, { signal, lookup: this.#lookup })
    else await this.#wait(retry.wait)
  }

  async #wait(ms: number): Promise<void> {
    if (this.#hurry.signal.aborted) this.#hurry = new AbortController()
    if (this.#stopping.signal.aborted) return
    await sleep(ms, undefined, { signal: this.#hurry.signal }).catch(() => {}) // something better to do
  }

  /** One try, from the dial to the end of the connection. */
  async #connect(): Promise<Ending> {
    const { url, times, last } = this.#options
    this.#say({ state: 'connecting', next_retry_ms: null, attempts: this.#state.attempts + 1 })
    this.#socket = new RelaySocket({
      url,
      lookup: this.#lookup,
      headers: authHeaders(this.#options.credentials(), this.#oldSignature ? 'id' : 'id:timestamp'),
      times,
      onDate: this.#options.onDate,
      onOpen: () => {
        last.opened()
        this.#say({ state: 'registering' })
        this.#options.onOpen()
      },
      onText: (text) => this.#received(text),
      onUnreadable: (kind) => this.#unreadable.count(kind),
    })
    const ending = await this.#socket.ended
    this.#socket = undefined
    if (ending.openFor > 0) {
      if (!ending.unclean) last.closed()
      this.#unclean = ending.unclean
      this.#options.onLost(ending)
    }
    return ending
  }

  #retryAfter(ending: Ending): Retry {
    if (this.#redialling && ending.openFor > 0) {
      this.#redialling = false
      this.#say({ connected: false, state: 'connecting', app_present: null })
      return { wait: 0, oldSignature: this.#oldSignature }
    }
    const retry = this.#schedule.next(ending)
    // a form that has worked is used again
    if (this.#oldSignature && ending.usefulFor > 0) retry.oldSignature = true
    this.#tellOfLoss(ending, retry)
    return retry
  }

  #tellOfLoss({ code, reason }: Ending, retry: Retry): void {
    const { log, url } = this.#options
    const wasOnline = this.#state.connected
    const facts = { code, reason, next_retry_ms: Math.round(retry.wait) }
    this.#alarm = tellOfLoss(log, {
      ...{ facts, retry, url, told: this.#alarm },
      first: wasOnline || this.#state.attempts === 1,
    })
    this.#say({
      state: retry.alarm === 'auth_failed' ? 'auth_failed' : 'waiting',
      connected: false,
      app_present: null,
      next_retry_ms: facts.next_retry_ms,
      last_close: { code, reason, at: Date.now() },
      ...(wasOnline ? { since: Date.now(), attempts: 0 } : {}),
    })
  }

  #received(text: string): void {
    if (!this.#state.connected) {
      this.#options.last.registered()
      this.#alarm = undefined
      this.#options.log.info({ attempts: this.#state.attempts }, 'registered with the relay')
      this.#say({ state: 'online', connected: true, since: Date.now(), attempts: 0 })
      this.#options.onRegistered({ afterUncleanLoss: this.#unclean })
      this.#unclean = false
    }
    this.#options.onText(text)
  }

  #say(facts: Partial<LinkMessage>): void {
    this.#state = { ...this.#state, ...facts }
    this.#options.onState(this.#state)
  }
}
