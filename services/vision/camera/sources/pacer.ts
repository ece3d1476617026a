/** Further behind than this, lost time is not made up for. Milliseconds. */
const LATE = 500
/** So long is waited at most: longer, and a camera would count as lost. Milliseconds. */
const MOST = 1_000

export interface Pacer {
  /** Milliseconds until the moment `position` (ms from the beginning) is due; 0 when it is due or late. */
  until(position: number): number
}

/**
 * Paces by the monotonic clock from `start` (`performance.now()`), so that small delays do not add up. After a long
 * one (a suspended machine) the beginning is moved instead of running behind at full speed; so it is for a position that
 * is far ahead: HLS may change its timestamps in the middle, and a recording may have pictures minutes apart.
 */
export function createPacer(start: number, now = () => performance.now()): Pacer {
  let origin = start
  return {
    until(position) {
      const wait = origin + position - now()
      const granted = wait < -LATE ? 0 : Math.min(wait, MOST)
      origin += granted - wait
      return Math.max(0, granted)
    },
  }
}
