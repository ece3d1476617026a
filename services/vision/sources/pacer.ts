/** Further behind than this, lost time is not made up for. Milliseconds. */
const LATE = 500
/** Earlier than this is no pace but another clock: HLS may change its timestamps in the middle. Milliseconds. */
const EARLY = 1_500

export interface Pacer {
  /** Milliseconds until the moment `position` (ms from the beginning) is due; 0 when it is due or late. */
  until(position: number): number
}

/**
 * Paces by the monotonic clock from `start` (`performance.now()`), so that small delays do not add up. After a long
 * one (a suspended machine) the beginning is moved instead of running behind at full speed; so it is for a position that
 * is far ahead.
 */
export function createPacer(start: number, now = () => performance.now()): Pacer {
  let origin = start
  return {
    until(position) {
      const wait = origin + position - now()
      if (wait >= -LATE && wait <= EARLY) return Math.max(0, wait)
      origin -= wait
      return 0
    },
  }
}
