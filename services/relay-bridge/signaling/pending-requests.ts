import { EventEmitter } from 'node:events'
import type { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import type { Request as Message } from '#bus/messages.ts'
import { encodePayload } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'

/** A request without an answer fails after this time: the app shows the reason and may try again. */
const TIMEOUT_MS = 10_000
/** Sessions with a pending request; beyond this the oldest is dropped. */
const MAX_PENDING = 64

type Request = z.infer<typeof Message>

interface PendingRequest {
  request: Request
  timer: NodeJS.Timeout
}

interface PendingRequestsEvents {
  /** No offer came; `error` is for the app. */
  failed: [sessionId: string, error: string]
  /** webrtc has restarted: its earlier sessions are gone, perhaps without a word. */
  restarted: []
}

interface PendingRequestsDeps {
  bus: Bus
  log: Logger
  /** `webrtc.enabled` of the config. */
  videoEnabled: boolean
}

/** What `webrtc/state` says; `unknown` until it is received: requests are then published as well as kept. */
type ServiceState = 'unknown' | 'online' | 'offline'

/**
 * The `webrtc_request`s that webrtc has not answered, the newest of each session. They are published unless webrtc is offline,
 * and again when it starts: a request on its way to a service that restarts would be lost.
 */
export class PendingRequests extends EventEmitter<PendingRequestsEvents> implements Disposable {
  readonly #bus: Bus
  readonly #log: Logger
  readonly #videoEnabled: boolean
  readonly #unanswered: EventCounter
  readonly #pending = new Map<string, PendingRequest>()
  readonly #reconnects: Disposable
  #state: ServiceState = 'unknown'
  /** `since` of the last `online`: another one means that webrtc has restarted. */
  #since: unknown

  constructor({ bus, log, videoEnabled }: PendingRequestsDeps) {
    super()
    this.#bus = bus
    this.#log = log
    this.#videoEnabled = videoEnabled
    this.#unanswered = createEventCounter(log, 'webrtc_request not answered', { every: 10_000 })
    // webrtc may have lost the broker as well: its next `online` follows its subscriptions
    this.#reconnects = bus.onConnect(() => {
      this.#state = 'unknown'
    })
  }

  async listen(): Promise<void> {
    const { offer, whepAnswer, error, closed, serviceState } = topics
    await Promise.all([
      this.#bus
        .subscribe(serviceState, (payload) => this.#serviceState(payload), { service: 'webrtc' })
        .catch((err: unknown) =>
          this.#log.warn({ err }, 'webrtc_request is not repeated when webrtc restarts'),
        ),
      this.#bus.subscribe(offer, ({ session_id }) => this.forget(session_id)),
      this.#bus.subscribe(whepAnswer, ({ session_id }) => this.forget(session_id)).catch(() => undefined), // reported by outbound.ts
      this.#bus.subscribe(error, ({ session_id }) => this.forget(session_id)),
      this.#bus.subscribe(closed, ({ session_id, by }) => {
        if (by === 'robot') this.forget(session_id)
      }),
    ])
  }

  /**
   * A new request of the relay; it takes the place of an earlier one of this session. Resolves when it is published, or waits
   * for webrtc; rejects with a ContractError if it is invalid.
   */
  async request(request: Request): Promise<void> {
    encodePayload(topics.request, request)
    const sessionId = request.session_id
    this.forget(sessionId)
    if (!this.#videoEnabled) {
      this.#reject(sessionId, 'video is disabled in the config of the robot')
      return
    }
    const timer = setTimeout(() => this.#fail(sessionId), TIMEOUT_MS)
    this.#pending.set(sessionId, { request, timer })
    const [oldest] = this.#pending.keys()
    if (this.#pending.size > MAX_PENDING && oldest !== undefined) {
      this.#unanswered.count('too many pending')
      this.forget(oldest)
    }
    if (this.#state !== 'offline') await this.#publish(request)
  }

  has(sessionId: string): boolean {
    return this.#pending.has(sessionId)
  }

  /** The session has an answer, or the app does not want it any more. */
  forget(sessionId: string): void {
    clearTimeout(this.#pending.get(sessionId)?.timer)
    this.#pending.delete(sessionId)
  }

  [Symbol.dispose](): void {
    this.#reconnects[Symbol.dispose]()
    for (const sessionId of [...this.#pending.keys()]) this.forget(sessionId)
    this.#unanswered[Symbol.dispose]()
  }

  #serviceState({ state, since }: { state: 'online' | 'offline'; since?: unknown }): void {
    const returned = state === 'online' && (this.#state !== 'online' || since !== this.#since)
    this.#state = state
    if (!returned) return
    if (this.#since !== undefined && this.#since !== since) this.emit('restarted')
    this.#since = since
    for (const { request } of this.#pending.values()) void this.#publish(request)
  }

  #fail(sessionId: string): void {
    this.forget(sessionId)
    const offline = this.#state === 'offline'
    this.#reject(
      sessionId,
      offline ? 'the video service is not running' : 'the video service does not answer',
    )
  }

  #reject(sessionId: string, error: string): void {
    this.#unanswered.count(error)
    this.emit('failed', sessionId, error)
  }

  /** Never rejects. */
  async #publish(request: Request): Promise<void> {
    // without a connection to the bus it stays pending
    await this.#bus.publish(topics.request, request).catch(() => this.#unanswered.count('not published'))
  }
}
