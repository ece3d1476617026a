/** RTP ticks per ms of Opus. RFC 7587 §4.1. */
const TICKS_PER_MS = 48
/** Duration of each packet. */
const PACKET_MS = 20
/** A larger deviation from the duration of a packet is a gap. */
const MAX_DEVIATION_MS = 10
/** Gaps are at most this long: the robot's clock may be set by years. */
const MAX_GAP_MS = 10_000

/**
 * RTP timestamps of packets by their capture times: exactly 20 ms apart while there is no gap, so that the viewer finds
 * nothing to conceal. Sender reports tell the viewer the rest.
 */
export class PacketClock {
  #timestamp = 0
  #capturedAt: number | undefined

  /** The timestamp of a packet (32 bits); `begins`: it is the first one, or follows a gap. `capturedAt`: ms since the epoch. */
  next(capturedAt: number): { timestamp: number; begins: boolean } {
    const elapsed = this.#capturedAt === undefined ? undefined : capturedAt - this.#capturedAt
    this.#capturedAt = capturedAt
    const isNext = elapsed !== undefined && Math.abs(elapsed - PACKET_MS) <= MAX_DEVIATION_MS
    const step = isNext ? PACKET_MS : Math.min(Math.max(elapsed ?? 0, PACKET_MS), MAX_GAP_MS)
    this.#timestamp = (this.#timestamp + Math.round(step * TICKS_PER_MS)) >>> 0
    return { timestamp: this.#timestamp, begins: !isNext }
  }
}
