/** Fraction of an interval that a frame may be early: cameras jitter. */
const EARLY_TOLERANCE = 0.25

/** Limits a stream to `fps` evenly spaced frames a second: returns whether the frame at `now` (monotonic ms) may pass. */
export function createThrottle(fps: number): (now: number) => boolean {
  const interval = 1000 / fps
  let due = -Infinity
  return (now) => {
    if (now < due - interval * EARLY_TOLERANCE) return false
    due = now - due > interval ? now + interval : due + interval
    return true
  }
}
