/** Older than this, a picture is not worth sending: milliseconds. */
const MAX_AGE = 500
/** A clock that was set, not a picture that is late: nothing on the way holds pictures for so long. */
const STEP = 10_000
const WINDOW = 5_000

/**
 * Tells live pictures from late ones by their capture time and our monotonic clock. The offset between the two clocks is
 * the smallest of the last seconds, so that setting the robot's clock (it has none of its own and starts wrong) stops no
 * video for longer than that.
 */
export function createFreshness(now = performance.now.bind(performance)) {
  const origin = Date.now() - now()
  let offset = 0 // of the window before this one
  let smallest = 0
  let windowEnds = now() + WINDOW
  return {
    /** Is this picture, captured at `capturedAt` (ms since the epoch), young enough to be sent? */
    isFresh(capturedAt: number): boolean {
      const delay = origin + now() - capturedAt
      if (delay - Math.min(offset, smallest) > STEP) offset = smallest = delay
      if (now() >= windowEnds) {
        offset = smallest
        smallest = delay
        windowEnds = now() + WINDOW
      }
      smallest = Math.min(smallest, delay)
      return delay - Math.min(offset, smallest) <= MAX_AGE
    },
  }
}
