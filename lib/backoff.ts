export interface Backoff {
  /** Delay before the next attempt (ms). */
  next(): number
  /** After a success: the next delay is the first one again. */
  reset(): void
}

/**
 * Exponential backoff with full jitter: the limit doubles from `first` to `cap` (ms), each delay is random between 0 and
 * the limit, so that the clients of one server do not reconnect in step. Never below `least`.
 */
export function createBackoff({
  first,
  cap,
  least = 0,
  random = Math.random,
}: {
  first: number
  cap: number
  least?: number
  random?: () => number
}): Backoff {
  let limit = first
  return {
    next() {
      const wait = Math.max(least, random() * limit)
      limit = Math.min(cap, limit * 2)
      return wait
    },
    reset() {
      limit = first
    },
  }
}
