import type { Outcome } from './sent-packets.ts'

/** The least delay is looked for in so long a time, at least; older ones may belong to another way. Milliseconds. */
const BASE_WINDOW = 10_000
/** Packets that arrived within so long a time count as now: at least two pictures. */
const NOW = 150
/** A clock that was set, not a packet that is late. */
const STEP = 10_000

/**
 * How long packets wait in queues on the way: their one-way delay over the least that was seen (LEDBAT, RFC 6817 §3.1; the
 * offset between the clocks falls out). Of the last packets the least delayed one counts, so that neither a burst of our
 * own nor a late timer anywhere looks like a queue.
 */
export class QueueDelay {
  #base = Number.POSITIVE_INFINITY
  #smallest = Number.POSITIVE_INFINITY
  #windowEnds = Number.NEGATIVE_INFINITY
  #recent: { receivedAt: number; delay: number }[] = []
  #newest = Number.NEGATIVE_INFINITY

  add({ sentAt, receivedAt }: Outcome): void {
    if (receivedAt === undefined) return
    const delay = receivedAt - sentAt
    if (Math.abs(receivedAt - this.#newest) > STEP) this.#restart(sentAt)
    if (sentAt >= this.#windowEnds) {
      this.#base = this.#smallest
      this.#smallest = delay
      this.#windowEnds = sentAt + BASE_WINDOW
    }
    this.#smallest = Math.min(this.#smallest, delay)
    this.#newest = Math.max(this.#newest, receivedAt)
    this.#recent.push({ receivedAt, delay })
    this.#recent = this.#recent.filter((one) => one.receivedAt > this.#newest - NOW)
  }

  /** Milliseconds; 0 while nothing is known. */
  get now(): number {
    if (this.#recent.length === 0) return 0
    const least = Math.min(...this.#recent.map(({ delay }) => delay))
    return least - Math.min(this.#base, this.#smallest)
  }

  #restart(sentAt: number): void {
    this.#base = this.#smallest = Number.POSITIVE_INFINITY
    this.#windowEnds = sentAt + BASE_WINDOW
    this.#recent = []
    this.#newest = Number.NEGATIVE_INFINITY
  }
}
