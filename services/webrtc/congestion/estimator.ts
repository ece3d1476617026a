import { ArrivalRate, LossRate } from './packet-rates.ts'
import { ProbeResults } from './probe.ts'
import { QueueDelay } from './queue-delay.ts'
import type { PacketOutcome } from './sent-packets.ts'

/** bit/s: first estimate and bounds. */
interface EstimatorOptions {
  start: number
  min: number
  max: number
  /** Delay of packets that this machine causes itself, ms: no sign of a queue on the path. */
  ownDelay?: () => number
}

/** A queuing delay above this is congestion; above the second, the queue is drained. */
const QUEUE_MS = 60
const LONG_QUEUE_MS = 150
/** Time for a decrease to take effect before the next one. */
const SETTLE_MS = 350
/** draft-ietf-rmcat-gcc-02 §5.5 and §6: growth, decrease, loss thresholds. */
const GROWTH_PER_SECOND = 1.08
const DECREASE = 0.85
const DRAIN = 0.7
const LOW_LOSS = 0.02
const HIGH_LOSS = 0.1
/** Without a probe the estimate stays below this multiple of the receive rate, plus headroom (bit/s). */
const MAX_AHEAD = 1.5
const HEADROOM = 10_000
/** The same for viewers that send receiver reports only, where the media itself has to probe. */
const MAX_AHEAD_WITHOUT_FEEDBACK = 2.5
/** Older transport-wide feedback does not count. */
const FEEDBACK_TIMEOUT_MS = 2_000
/** A round trip this much above the shortest is a queue. */
const RTT_QUEUE_MS = 250

/**
 * Estimates the capacity of one viewer's path in bit/s. With transport-wide feedback: below the receive rate when a queue
 * grows or packets are lost, slow growth while the path is clear, and the result of a probe. Without it, by receiver
 * reports and REMB. The estimate never grows before the viewer has confirmed that media arrives.
 */
export class Estimator {
  readonly #options: EstimatorOptions
  readonly #queue = new QueueDelay()
  readonly #shortRate = new ArrivalRate(300)
  readonly #longRate = new ArrivalRate(1_000)
  readonly #lossRate = new LossRate()
  readonly #probes = new ProbeResults()
  #target: number
  #feedbackAt = Number.NEGATIVE_INFINITY
  #grownAt: number | undefined
  #decreasedAt = Number.NEGATIVE_INFINITY
  #shortestRtt = Number.POSITIVE_INFINITY
  #confirmed = false
  #congested = false

  constructor(options: EstimatorOptions) {
    this.#options = options
    this.#target = options.start
  }

  /** bit/s. */
  get target(): number {
    return this.#target
  }

  /** The viewer has confirmed that media arrives. */
  get confirmed(): boolean {
    return this.#confirmed
  }

  /** Queue or loss on the path right now. */
  get congested(): boolean {
    return this.#congested
  }

  /** Fraction lost, 0..1. */
  get loss(): number | undefined {
    return this.#lossRate.now
  }

  /** Whether the viewer sends transport-wide feedback. */
  hasFeedback(now: number): boolean {
    return now - this.#feedbackAt <= FEEDBACK_TIMEOUT_MS
  }

  /** Transport-wide feedback; `now` by the clock of the packets' `sentAt`, in ms. */
  transportFeedback(outcomes: readonly PacketOutcome[], now: number): void {
    this.#feedbackAt = now
    for (const outcome of outcomes) {
      for (const meter of [this.#queue, this.#shortRate, this.#longRate, this.#lossRate]) meter.add(outcome)
    }
    this.#confirmed ||= outcomes.some(({ receivedAt }) => receivedAt !== undefined)
    this.#update(now)
    for (const outcome of outcomes) this.#probeResult(this.#probes.add(outcome) ?? 0)
  }

  /** A receiver report: `loss` 0..1, `rtt` in ms, `sent` recent bit/s. Ignored while there is transport-wide feedback. */
  receiverReport(
    { loss, rtt, sent }: { loss: number; rtt: number | undefined; sent: number },
    now: number,
  ): void {
    this.#confirmed = true
    if (this.hasFeedback(now)) return
    this.#shortestRtt = Math.min(this.#shortestRtt, rtt ?? Number.POSITIVE_INFINITY)
    const queued = rtt !== undefined && rtt - this.#shortestRtt > RTT_QUEUE_MS
    this.#congested = queued || loss > HIGH_LOSS
    if (this.#congested) this.#decrease(Math.min(this.#target, sent || this.#target) * DECREASE, now)
    else if (loss < LOW_LOSS) this.#grow(sent * MAX_AHEAD_WITHOUT_FEEDBACK, now)
  }

  /**
   * REMB, bit/s: an upper bound where there is no transport-wide feedback. A REMB at or above the send rate only follows
   * that rate and says nothing about the path; obeying it would pin the estimate (docs/field-failures.md F01).
   */
  remb(bitrate: number, { sent, now }: { sent: number; now: number }): void {
    if (this.hasFeedback(now) || bitrate >= sent) return
    this.#target = this.#clamp(Math.min(this.#target, bitrate))
  }

  #update(now: number): void {
    const loss = this.#lossRate.now ?? 0
    const queue = Math.max(0, this.#queue.now - (this.#options.ownDelay?.() ?? 0))
    this.#congested = queue > QUEUE_MS || loss > HIGH_LOSS
    const receiveRate = this.#shortRate.now
    if (queue > QUEUE_MS && receiveRate !== undefined) {
      this.#decrease(receiveRate * (queue > LONG_QUEUE_MS ? DRAIN : DECREASE), now)
    } else if (loss > HIGH_LOSS) this.#decrease(this.#target * (1 - loss / 2), now)
    else if (loss < LOW_LOSS && queue < QUEUE_MS / 2)
      this.#grow((this.#longRate.now ?? 0) * MAX_AHEAD + HEADROOM, now)
    else this.#grownAt = now
  }

  #decrease(to: number, now: number): void {
    this.#grownAt = now
    if (now - this.#decreasedAt < SETTLE_MS || to >= this.#target) return
    this.#decreasedAt = now
    this.#target = this.#clamp(to)
  }

  #grow(max: number, now: number): void {
    const seconds = Math.min(1, (now - (this.#grownAt ?? now)) / 1000)
    this.#grownAt = now
    if (!this.#confirmed || this.#target >= max) return
    this.#target = this.#clamp(Math.min(max, this.#target * GROWTH_PER_SECOND ** seconds))
  }

  #probeResult(rate: number): void {
    // the path carried this rate, even where the probe filled a queue for a moment
    if (rate > this.#target && (this.#lossRate.now ?? 0) <= HIGH_LOSS) this.#target = this.#clamp(rate)
  }

  #clamp(bitrate: number): number {
    return Math.min(this.#options.max, Math.max(this.#options.min, bitrate))
  }
}
