import { type Backoff, createBackoff } from '#lib/backoff.ts'
import { type Disconnect, type Reaction, reactionTo } from './disconnect.ts'

/** When to dial again, and with which signature. */
export interface Retry {
  /** Wait in ms. */
  wait: number
  /** The operator must act. */
  alarm?: 'auth_failed' | 'wrong_url' | 'duplicate_device_id'
  /** Sign the bare id, for an old relay. */
  oldSignature: boolean
}

/** Longest wait that the relay can ask for. */
const MAX_RETRY_AFTER_MS = 300_000
/** A shorter connection does not reset the backoff. */
const USEFUL_MS = 30_000
/** Cap after {@link FAST_TRIES}. */
const SLOW_CAP_MS = 30_000
const FAST_TRIES = 30
const DUPLICATE_CLOSES = 3
/** Refusals of a connection that had worked that count as a normal loss. */
const MAX_DOUBTS = 2

/** Decides how long to wait after each disconnect: exponential with full jitter (docs/relay-protocol.md, close codes and retries). */
export class RetrySchedule {
  readonly #random: () => number
  readonly #fast: Backoff
  readonly #slow: Backoff
  #failures = 0
  #refusals = 0
  #quickCloses = 0
  #doubts = 0

  /** `fastCap` in ms. */
  constructor(fastCap: number, random: () => number = Math.random) {
    this.#random = random
    this.#fast = createBackoff({ first: Math.min(1_000, fastCap), cap: fastCap, least: 50, random })
    this.#slow = createBackoff({ first: SLOW_CAP_MS / 2, cap: SLOW_CAP_MS, least: 1_000, random })
  }

  next(disconnect: Disconnect): Retry {
    const reaction = reactionTo(disconnect)
    this.#resetAfter(disconnect, reaction)
    const retry = this.#retryFor(reaction)
    return { ...retry, wait: Math.max(retry.wait, Math.min(disconnect.retryAfter ?? 0, MAX_RETRY_AFTER_MS)) }
  }

  #retryFor(reaction: Reaction): Retry {
    switch (reaction) {
      case 'refused':
        return this.#afterRefusal('auth_failed')
      case 'doubtful':
        return ++this.#doubts > MAX_DOUBTS ? this.#afterRefusal('auth_failed') : this.#afterLoss()
      case 'wrong-url':
        return this.#afterRefusal('wrong_url')
      case 'duplicate':
        return ++this.#quickCloses >= DUPLICATE_CLOSES ? this.#afterDuplicate() : this.#afterLoss()
      case 'superseded':
        return this.#afterDuplicate()
      case 'at-once':
        return { wait: this.#between(0, 1_000), oldSignature: false }
      case 'soon':
        return { wait: this.#between(500, 2_000), oldSignature: false }
      case 'backoff':
        return this.#afterLoss()
    }
  }

  /** A connection that worked resets the counters that it disproves. */
  #resetAfter({ usefulFor }: Disconnect, reaction: Reaction): void {
    if (reaction !== 'duplicate') this.#quickCloses = 0
    if (usefulFor > 0) this.#refusals = 0
    if (usefulFor < USEFUL_MS) return
    if (reaction !== 'doubtful') this.#doubts = 0
    this.#failures = 0
    this.#fast.reset()
    this.#slow.reset()
  }

  #afterRefusal(alarm: 'auth_failed' | 'wrong_url'): Retry {
    this.#refusals++
    // a secret that is corrected at the relay works within 30 s; the second attempt uses the signature of an old relay
    return { wait: this.#between(25_000, 30_000), alarm, oldSignature: this.#refusals === 2 }
  }

  #afterDuplicate(): Retry {
    return { wait: this.#between(30_000, 60_000), alarm: 'duplicate_device_id', oldSignature: false }
  }

  #afterLoss(): Retry {
    this.#failures++
    return { wait: (this.#failures <= FAST_TRIES ? this.#fast : this.#slow).next(), oldSignature: false }
  }

  #between(from: number, to: number): number {
    return from + this.#random() * (to - from)
  }
}
