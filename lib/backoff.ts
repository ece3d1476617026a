export interface Backoff {
  /** Wait before the next try, in milliseconds. */
  next(): number
  /** It works again: the next wait is a first one. */
  reset(): void
}

/**
 * Waits that double from `first` up to `cap`, each drawn between 0 and itself (full jitter), so that many clients of
 * one server do not come back in step. Never below `least`.
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
