/** A clock that was set: what differs less is the coarseness of `Date.now()`. Milliseconds. */
const STEP = 20

let offset = Date.now() - performance.now()

/** Milliseconds since the epoch of a moment given by `performance.now()`; follows the system clock when that is set. */
export function toEpoch(at: number): number {
  const now = Date.now() - performance.now()
  if (Math.abs(now - offset) > STEP) offset = now
  return offset + at
}

/** 90 kHz RTP timestamp of a moment given by `performance.now()`: continuous, whatever becomes of the system clock. RFC 6184 §8.2.1. */
export function toRtpTimestamp(at: number): number {
  return Number(BigInt(Math.round((performance.timeOrigin + at) * 90)) & 0xffffffffn)
}
