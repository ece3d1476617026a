/** RTP ticks per millisecond of video. RFC 6184 §8.2.1. */
const TICKS = 90
/** What the RTP timestamp may gain on the capture time, or lose, before it counts as another clock: milliseconds. */
const MAX_SLIP = 1_000

/**
 * Keeps RTP timestamps continuous over a restart of their source, whose clock may begin anywhere: a jump that the capture
 * times do not share is taken out. Returns the timestamp to send.
 */
export function createTimeline() {
  let offset = 0
  let last: { rtp: number; capturedAt: number } | undefined
  return {
    /** `rtpTimestamp` as the source counts (90 kHz, 32 bits), `capturedAt` in ms since the epoch. */
    place(rtpTimestamp: number, capturedAt: number): number {
      let rtp = (rtpTimestamp + offset) >>> 0
      if (last) {
        const expected = Math.round((capturedAt - last.capturedAt) * TICKS)
        const gained = (rtp - last.rtp) | 0
        if (Math.abs(gained - expected) > MAX_SLIP * TICKS) {
          const step = Math.min(Math.max(expected, TICKS), MAX_SLIP * TICKS)
          offset = (last.rtp + step - rtpTimestamp) >>> 0
          rtp = (rtpTimestamp + offset) >>> 0
        }
      }
      last = { rtp, capturedAt }
      return rtp
    },
  }
}
