import { isLoopback } from '#lib/loopback.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { networkOf } from '../auth/login-throttle.ts'

/** How many connections there may be, and how fast they may come. */
export interface AdmissionLimits {
  /** Connections at the same time, all together. */
  max_clients: number
  /** Connections at the same time from one address; this machine has no such limit. */
  max_clients_per_address: number
  /** New connections a second from one address, after as many at once; ten times as many from this machine. */
  connections_per_second: number
}

interface Bucket {
  open: number
  tokens: number
  filledAt: number
}

const MOST_ADDRESSES = 2_000
/** A second's worth of connections may come at once, this many times. */
const BURST_SECONDS = 5
const LOCAL_RATE = 10
/** Share of all places that only this machine gets, where the robot's own services are, and the most that it may be. */
const RESERVED = 0.1
const MOST_RESERVED = 100

/** Counts connections by address, and refuses those that are too many or come too fast. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #tally: EventCounter
  readonly #now: () => number
  readonly #buckets = new Map<string, Bucket>()
  #open = 0

  /** `now` in milliseconds, monotonic. */
  constructor(limits: AdmissionLimits, tally: EventCounter, now = () => performance.now()) {
    this.#limits = limits
    this.#tally = tally
    this.#now = now
  }

  /** A connection comes from this address. Undefined: it is refused; else call it when the connection ends. */
  enter(address: string): (() => void) | undefined {
    const local = isLoopback(address)
    const bucket = this.#bucketOf(local ? 'local' : networkOf(address), local)
    const refused = this.#refusal(bucket, local)
    if (refused) {
      this.#tally.count(refused)
      return undefined
    }
    bucket.tokens--
    bucket.open++
    this.#open++
    let left = false
    return () => {
      if (left) return
      left = true
      bucket.open--
      this.#open--
    }
  }

  #refusal(bucket: Bucket, local: boolean): string | undefined {
    const { max_clients } = this.#limits
    const reserved = local ? 0 : Math.min(MOST_RESERVED, max_clients * RESERVED)
    if (this.#open >= max_clients - reserved) return 'connections_too_many'
    if (!local && bucket.open >= this.#limits.max_clients_per_address)
      return 'connections_too_many_per_address'
    if (bucket.tokens < 1) return 'connections_too_fast'
    return undefined
  }

  #bucketOf(key: string, local: boolean): Bucket {
    const now = this.#now()
    const rate = this.#limits.connections_per_second * (local ? LOCAL_RATE : 1)
    const full = rate * BURST_SECONDS
    const bucket = this.#buckets.get(key) ?? { open: 0, tokens: full, filledAt: now }
    bucket.tokens = Math.min(full, bucket.tokens + ((now - bucket.filledAt) / 1_000) * rate)
    bucket.filledAt = now
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > MOST_ADDRESSES) this.#forgetOne()
    return bucket
  }

  /** The oldest that has nothing open. */
  #forgetOne(): void {
    for (const [key, { open }] of this.#buckets) {
      if (open > 0) continue
      this.#buckets.delete(key)
      return
    }
  }
}
