import type { PacketOutcome } from './sent-packets.ts'

/** The base delay is the minimum of at least this long; an older minimum may belong to another path. */
const BASE_WINDOW_MS = 10_000
/** Packets of this interval count as current: at least two frames. */
const CURRENT_MS = 150
/** A viewer may report the same arrival time for all packets. */
const MAX_PACKETS = 512
/** A larger step is a clock that was set, not a late packet. */
const CLOCK_STEP_MS = 10_000

/**
 * Queuing delay on the path: one-way delay minus the smallest one-way delay (LEDBAT, RFC 6817 §3.1; the offset between
 * the clocks cancels out). The least delayed of the current packets counts, so that neither a burst of our own nor a late
 * timer on either side looks like a queue.
 */
export class QueueDelay {
  #base = Number.POSITIVE_INFINITY
  #smallest = Number.POSITIVE_INFINITY
  #windowEnd = Number.NEGATIVE_INFINITY
  #recent: { receivedAt: number; delay: number }[] = []
  #newest = Number.NEGATIVE_INFINITY

  add({ sentAt, receivedAt }: PacketOutcome): void {
    if (receivedAt === undefined) return
    const delay = receivedAt - sentAt
    if (Math.abs(receivedAt - this.#newest) > CLOCK_STEP_MS) this.#restart(sentAt)
    if (sentAt >= this.#windowEnd) {
      this.#base = this.#smallest
      this.#smallest = delay
      this.#windowEnd = sentAt + BASE_WINDOW_MS
    }
    this.#smallest = Math.min(this.#smallest, delay)
    this.#newest = Math.max(this.#newest, receivedAt)
    this.#recent.push({ receivedAt, delay })
    if (this.#recent.length >= 2 * MAX_PACKETS) this.#trim()
  }

  /** Milliseconds; 0 before the first report. */
  get now(): number {
    this.#trim()
    if (this.#recent.length === 0) return 0
    const least = Math.min(...this.#recent.map(({ delay }) => delay))
    return least - Math.min(this.#base, this.#smallest)
  }

  #trim(): void {
    this.#recent = this.#recent
      .filter(({ receivedAt }) => receivedAt > this.#newest - CURRENT_MS)
      .slice(-MAX_PACKETS)
  }

  #restart(sentAt: number): void {
    this.#base = this.#smallest = Number.POSITIVE_INFINITY
    this.#windowEnd = sentAt + BASE_WINDOW_MS
    this.#recent = []
    this.#newest = Number.NEGATIVE_INFINITY
  }
}
