/** A picture may come this part of an interval early: cameras jitter. */
const EARLY = 0.25

/**
 * Lets at most `fps` pictures a second through, evenly, and returns whether this one, at `now` (monotonic
 * milliseconds), may pass.
 */
export function createThrottle(fps: number): (now: number) => boolean {
  const interval = 1000 / fps
  let due = -Infinity
  return (now) => {
    if (now < due - interval * EARLY) return false
    due = now - due > interval ? now + interval : due + interval
    return true
  }
}
