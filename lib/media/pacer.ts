/** Beyond this delay, lost time is skipped instead of caught up. */
const MAX_LATE_MS = 500
/** Longest wait; beyond it the camera would count as lost. */
const MAX_WAIT_MS = 1_000

export interface Pacer {
  /** Milliseconds until `position` (ms from the beginning) is due; 0 when it is due or late. */
  until(position: number): number
}

/**
 * Paces by the monotonic clock from `start` (`performance.now()`), so that small delays do not add up. The origin is moved
 * after a long delay (a suspended machine), and for a position far ahead: HLS timestamps may jump, and a recording may
 * have frames minutes apart.
 */
export function createPacer(start: number, now = () => performance.now()): Pacer {
  let origin = start
  return {
    until(position) {
      const wait = origin + position - now()
      const granted = wait < -MAX_LATE_MS ? 0 : Math.min(wait, MAX_WAIT_MS)
      origin += granted - wait
      return Math.max(0, granted)
    },
  }
}
