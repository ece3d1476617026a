/** Further behind than this, lost time is not made up for. Milliseconds. */
const LATE = 500

export interface Pacer {
  /** Milliseconds until the moment `position` (ms from the beginning) is due; 0 when it is due or late. */
  until(position: number): number
}

/**
 * Paces by the monotonic clock from `start` (`performance.now()`), so that small delays do not add up. After a long
 * one (a suspended machine) the beginning is moved instead of running behind at full speed.
 */
export function createPacer(start: number, now = () => performance.now()): Pacer {
  let origin = start
  return {
    until(position) {
      const wait = origin + position - now()
      if (wait < -LATE) origin -= wait
      return Math.max(0, wait)
    },
  }
}
