import { setTimeout as sleep } from 'node:timers/promises'
import type { Link as LinkMessage } from '#bus/messages.ts'
import type { Logger } from '#lib/logger.ts'
import { createTally } from '#lib/tally.ts'
import { authHeaders, type Credentials } from './credentials.ts'
import { shownAddress } from './relay-address.ts'
import { RelaySocket, type SocketTimes } from './relay-socket.ts'
import { createRetrySchedule, type Retry } from './retry-schedule.ts'

export interface LinkOptions {
  url: URL
  credentials: Credentials
  /** Cap of the fast retries, ms. */
  reconnectDelay: number
  times: SocketTimes
  log: Logger
  /** Said whenever the state changes. */
  onState(state: LinkMessage): void
  /** The socket is open: greet. */
  onOpen(): void
  /** The first frame came: the relay knows us. */
  onRegistered(): void
  onText(text: string): void
}

/** The connection to the relay, kept up for ever: dial, use, wait, dial again. */
export interface Link extends AsyncDisposable {
  /** Sends a JSON object; false, and the frame is gone, when no socket is open. */
  send(frame: Record<string, unknown>): boolean
  /** Registered: the relay has answered on this socket. */
  readonly registered: boolean
  /** Changes what `relay-bridge/link` says beside the connection itself. */
  note(facts: Partial<Pick<LinkMessage, 'app_present'>>): void
}

/** Starts dialling. Never throws for a relay that is away. */
export function runLink(options: LinkOptions): Link {
  return new RelayLink(options)
}

class RelayLink implements Link {
  readonly #options: LinkOptions
  readonly #schedule
  readonly #stopping = new AbortController()
  readonly #unreadable
  readonly #loop: Promise<void>
  #socket: RelaySocket | undefined
  #oldSignature = false
  #state: LinkMessage

  constructor(options: LinkOptions) {
    this.#options = options
    this.#schedule = createRetrySchedule(options.reconnectDelay)
    this.#unreadable = createTally(options.log, 'unreadable frames of the relay dropped')
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

  send(frame: Record<string, unknown>): boolean {
    return this.#socket?.send(JSON.stringify(frame)) ?? false
  }

  note(facts: Partial<Pick<LinkMessage, 'app_present'>>): void {
    this.#say(facts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    this.#socket?.close(1000, 'robot stops')
    await this.#loop
    this.#unreadable[Symbol.dispose]()
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const retry = await this.#connect()
      if (this.#stopping.signal.aborted) return
      this.#oldSignature = retry.oldSignature
      await sleep(retry.wait, undefined, { signal: this.#stopping.signal }).catch(() => {
        // aborted: the loop's condition ends it
      })
    }
  }

  /** One try, from the dial to the end of the connection. */
  async #connect(): Promise<Retry> {
    const { url, credentials, times, log } = this.#options
    this.#say({ state: 'connecting', next_retry_ms: null, attempts: this.#state.attempts + 1 })
    this.#socket = new RelaySocket({
      url,
      headers: authHeaders(credentials, this.#oldSignature ? 'id' : 'id:timestamp'),
      times,
      onOpen: () => {
        this.#say({ state: 'registering' })
        this.#options.onOpen()
      },
      onText: (text) => this.#received(text),
      onUnreadable: (kind) => this.#unreadable.count(kind),
    })
    const ending = await this.#socket.ended
    this.#socket = undefined
    const wasOnline = this.#state.connected
    const retry = this.#schedule.next(ending)
    const facts = { code: ending.code, reason: ending.reason, next_retry_ms: Math.round(retry.wait) }
    if (retry.alarm) log.error({ ...facts, url: shownAddress(url) }, ALARMS[retry.alarm])
    else if (wasOnline || this.#state.attempts === 1) log.warn(facts, 'relay link lost, trying again')
    else log.debug(facts, 'relay still away')
    this.#say({
      state: retry.alarm === 'auth_failed' ? 'auth_failed' : 'waiting',
      connected: false,
      app_present: null,
      next_retry_ms: facts.next_retry_ms,
      last_close: { code: ending.code, reason: ending.reason, at: Date.now() },
      ...(wasOnline ? { since: Date.now(), attempts: 0 } : {}),
    })
    return retry
  }

  #received(text: string): void {
    if (!this.#state.connected) {
      this.#options.log.info({ attempts: this.#state.attempts }, 'registered with the relay')
      this.#say({ state: 'online', connected: true, since: Date.now(), attempts: 0 })
      this.#options.onRegistered()
    }
    this.#options.onText(text)
  }

  #say(facts: Partial<LinkMessage>): void {
    this.#state = { ...this.#state, ...facts }
    this.#options.onState(this.#state)
  }
}

const ALARMS = {
  // 403 answers a wrong path as well as a wrong signature (API_CONTRACT 8)
  auth_failed:
    'the relay refuses this robot: check cloud.device_id and cloud.device_secret, and the path of cloud.relay_url',
  wrong_url: 'the relay does not know this address: check cloud.relay_url',
  duplicate_device_id: 'another client uses this device_id: give each robot its own',
} as const
