/** RTP ticks per ms of video. RFC 6184 §8.2.1. */
const TICKS_PER_MS = 90
/** A larger deviation of the RTP timestamp from the capture time is a new clock. */
const MAX_DEVIATION_MS = 1_000

/**
 * Keeps RTP timestamps continuous over a restart of their source, whose clock may start anywhere: removes a jump that the
 * capture times do not have.
 */
export class TimestampRebaser {
  #offset = 0
  #last: { rtp: number; capturedAt: number } | undefined

  /** The timestamp to send. `rtpTimestamp` is the source's (90 kHz, 32 bits), `capturedAt` in ms since the epoch. */
  rebase(rtpTimestamp: number, capturedAt: number): number {
    let rtp = (rtpTimestamp + this.#offset) >>> 0
    if (this.#last) {
      const expected = Math.round((capturedAt - this.#last.capturedAt) * TICKS_PER_MS)
      const actual = (rtp - this.#last.rtp) | 0
      if (Math.abs(actual - expected) > MAX_DEVIATION_MS * TICKS_PER_MS) {
        const step = Math.min(Math.max(expected, TICKS_PER_MS), MAX_DEVIATION_MS * TICKS_PER_MS)
        this.#offset = (this.#last.rtp + step - rtpTimestamp) >>> 0
        rtp = (rtpTimestamp + this.#offset) >>> 0
      }
    }
    this.#last = { rtp, capturedAt }
    return rtp
  }
}
