import { networkOf } from '#lib/http/login-throttle.ts'
import { isLoopback } from '#lib/loopback.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { TokenBucket } from '#lib/token-bucket.ts'

/** Limits on the number and rate of connections. */
export interface ConnectionLimits {
  /** Concurrent connections in total. */
  max_clients: number
  /** Concurrent connections from one address; loopback has no such limit. */
  max_clients_per_address: number
  /** New connections per second from one address, after a burst; ten times as many from loopback. */
  connections_per_second: number
}

/** A connection that can make room for a service of the robot. */
export interface Occupant {
  /** Before the login, without a user name, or with one. */
  standing(): 'new' | 'anonymous' | 'user'
  end(): void
}

interface Bucket {
  open: number
  readonly pace: TokenBucket
}

const MAX_ADDRESSES = 2_000
/** The burst is this many seconds' worth of connections. */
const BURST_S = 5
const LOCAL_RATE_FACTOR = 10
/** Share of all connections that is reserved for loopback, where the robot's services are, and its upper limit. */
const RESERVED_SHARE = 0.1
const MAX_RESERVED = 100

/** Counts connections by address and rejects those beyond the limits. */
export class ConnectionLimiter {
  readonly #limits: ConnectionLimits
  readonly #counters: EventCounter
  readonly #now: () => number
  readonly #buckets = new Map<string, Bucket>()
  readonly #occupants = new Set<Occupant>()
  #open = 0

  /** `now` in milliseconds, monotonic. */
  constructor(limits: ConnectionLimits, counters: EventCounter, now = () => performance.now()) {
    this.#limits = limits
    this.#counters = counters
    this.#now = now
  }

  /** Returns undefined if the connection is rejected, else a function to call when it ends. */
  accept(address: string, occupant?: Occupant): (() => void) | undefined {
    const local = isLoopback(address)
    const bucket = this.#bucketOf(local ? 'local' : networkOf(address), local)
    const rejection = this.#rejection(bucket, local)
    if (rejection) {
      this.#counters.count(rejection)
      return undefined
    }
    bucket.pace.charge(1, this.#now())
    bucket.open++
    this.#open++
    if (occupant) this.#occupants.add(occupant)
    let released = false
    return () => {
      if (released) return
      released = true
      bucket.open--
      this.#open--
      if (occupant) this.#occupants.delete(occupant)
    }
  }

  #rejection(bucket: Bucket, local: boolean): string | undefined {
    const { max_clients } = this.#limits
    const reserved = local ? 0 : Math.min(MAX_RESERVED, max_clients * RESERVED_SHARE)
    const isFull = this.#open >= max_clients - reserved
    if (isFull && !(local && this.#makesRoom(bucket))) return 'connections_too_many'
    if (!local && bucket.open >= this.#limits.max_clients_per_address)
      return 'connections_too_many_per_address'
    if (bucket.pace.wait(1, this.#now()) > 0) return 'connections_too_fast'
    return undefined
  }

  /**
   * All places may be taken by one process of this machine without a user name, while a service waits. Ends the oldest connection
   * before its login, else the newest without a user name.
   */
  #makesRoom({ pace }: Bucket): boolean {
    if (pace.wait(1, this.#now()) > 0) return false
    const occupants = [...this.#occupants]
    const displaced =
      occupants.find((one) => one.standing() === 'new') ??
      occupants.findLast((one) => one.standing() === 'anonymous')
    if (!displaced) return false
    this.#counters.count('connections_too_many')
    this.#occupants.delete(displaced)
    displaced.end()
    return true
  }

  #bucketOf(key: string, local: boolean): Bucket {
    const rate = this.#limits.connections_per_second * (local ? LOCAL_RATE_FACTOR : 1)
    const bucket = this.#buckets.get(key) ?? { open: 0, pace: new TokenBucket(rate * BURST_S, rate) }
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > MAX_ADDRESSES) this.#evictOne()
    return bucket
  }

  /** Removes the oldest address without open connections. */
  #evictOne(): void {
    for (const [key, { open }] of this.#buckets) {
      if (open > 0) continue
      this.#buckets.delete(key)
      return
    }
  }
}
