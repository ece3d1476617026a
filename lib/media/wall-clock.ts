/** A smaller difference is the granularity of `Date.now()`; a larger one means that the clock was set. */
const CLOCK_STEP_MS = 20

let offset = Date.now() - performance.now()

/** Converts `performance.now()` to milliseconds since the epoch; follows changes of the system clock. */
export function toEpoch(at: number): number {
  const now = Date.now() - performance.now()
  if (Math.abs(now - offset) > CLOCK_STEP_MS) offset = now
  return offset + at
}

/** Converts `performance.now()` to a 90 kHz RTP timestamp, continuous even when the system clock is set. RFC 6184 §8.2.1. */
export function toRtpTimestamp(at: number): number {
  return Number(BigInt(Math.round((performance.timeOrigin + at) * 90)) & 0xffffffffn)
}
