import { type Backoff, createBackoff } from '#lib/backoff.ts'
import { type Ending, type Reaction, reactionTo } from './disconnect.ts'

/** When to dial again, and how. */
export interface Retry {
  /** Wait in ms. */
  wait: number
  /** A human must act. */
  alarm?: 'auth_failed' | 'wrong_url' | 'duplicate_device_id'
  /** Try the old message form this time. */
  oldSignature: boolean
}

/** A link shorter than this proves nothing, so the backoff goes on. API_CONTRACT 1.4. */
const USEFUL = 30_000
/** After a minute of fast retries the cap rises to this. */
const SLOW_CAP = 30_000
const FAST_TRIES = 30
const DUPLICATE_CLOSES = 3
/** So often a refusal of a link that had worked is not believed. */
const DOUBTS = 2

/** Decides how long to wait after each ending. API_CONTRACT 1.4: full jitter, never a tight loop. */
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
    this.#slow = createBackoff({ first: SLOW_CAP / 2, cap: SLOW_CAP, least: 1_000, random })
  }

  next(ending: Ending): Retry {
    const reaction = reactionTo(ending)
    this.#forget(ending, reaction)
    switch (reaction) {
      case 'refused':
        return this.#afterRefusal('auth_failed')
      case 'doubtful':
        return ++this.#doubts > DOUBTS ? this.#afterRefusal('auth_failed') : this.#afterLoss()
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

  /** What a link that worked has disproved. */
  #forget({ usefulFor }: Ending, reaction: Reaction): void {
    if (reaction !== 'duplicate') this.#quickCloses = 0
    if (usefulFor > 0) this.#refusals = 0
    if (usefulFor < USEFUL) return
    if (reaction !== 'doubtful') this.#doubts = 0
    this.#failures = 0
    this.#fast.reset()
    this.#slow.reset()
  }

  #afterRefusal(alarm: 'auth_failed' | 'wrong_url'): Retry {
    this.#refusals++
    // 30 s, 60 s … 5 min, spread by a fifth; the second refusal tries the message form of an old relay, once
    const nominal = Math.min(300_000, 30_000 * 2 ** (this.#refusals - 1))
    return { wait: nominal * this.#between(0.9, 1.1), alarm, oldSignature: this.#refusals === 2 }
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
