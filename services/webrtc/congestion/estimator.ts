import { ArrivalRate } from './arrival-rate.ts'
import { LossRate } from './loss-rate.ts'
import { ProbeResults } from './probe-results.ts'
import { QueueDelay } from './queue-delay.ts'
import type { Outcome } from './sent-packets.ts'

export interface EstimatorOptions {
  /** bit/s: where it begins, and what it never leaves. */
  start: number
  least: number
  most: number
}

/** A queue of so many milliseconds is congestion, and one that must be emptied at once. */
const QUEUE = 60
const LONG_QUEUE = 150
/** After a decrease its effect is waited for, in milliseconds. */
const SETTLE = 350
/** draft-ietf-rmcat-gcc-02 §5.5 and §6: growth, decrease, bounds of loss. */
const GROWTH_PER_SECOND = 1.08
const DECREASE = 0.85
const DRAIN = 0.7
const LITTLE_LOSS = 0.02
const MUCH_LOSS = 0.1
/** Without a probe the estimate does not run further ahead of what is known to arrive. */
const AHEAD = 1.5
const HEADROOM = 10_000
/** For viewers that send receiver reports only: nothing else tells what arrives, so the media itself must try. */
const AHEAD_BLIND = 2.5
/** Transport-wide feedback this old is none, in milliseconds. */
const STALE = 2_000
/** A round trip so much longer than the shortest is a queue. */
const LONG_ROUND_TRIP = 250

/**
 * What the way to one viewer carries, bit/s. Fed by transport-wide feedback where there is some: less than arrives when a
 * queue grows or packets are lost, more while it is empty, and what a probe has shown. Viewers without it are judged by
 * their receiver reports and REMB. Nothing grows before the viewer has confirmed that media arrives (F02).
 */
export class Estimator {
  readonly #options: EstimatorOptions
  readonly #queue = new QueueDelay()
  readonly #fast = new ArrivalRate(300)
  readonly #slow = new ArrivalRate(1_000)
  readonly #lossRate = new LossRate()
  readonly #probes = new ProbeResults()
  #target: number
  #fedAt = Number.NEGATIVE_INFINITY
  #grownAt: number | undefined
  #decreasedAt = Number.NEGATIVE_INFINITY
  #shortest = Number.POSITIVE_INFINITY
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

  /** The viewer has said that media arrives. */
  get confirmed(): boolean {
    return this.#confirmed
  }

  /** A queue, or loss, stands on the way right now. */
  get congested(): boolean {
    return this.#congested
  }

  /** Milliseconds that packets wait on the way, as far as known. */
  get queueDelay(): number {
    return this.#queue.now
  }

  /** Share of packets lost, 0..1. */
  get loss(): number | undefined {
    return this.#lossRate.now
  }

  /** Does the viewer send transport-wide feedback? */
  isFed(now: number): boolean {
    return now - this.#fedAt <= STALE
  }

  /** Transport-wide feedback; `now` by the clock of the packets' `sentAt`, milliseconds. */
  feedback(outcomes: readonly Outcome[], now: number): void {
    this.#fedAt = now
    for (const outcome of outcomes) {
      for (const meter of [this.#queue, this.#fast, this.#slow, this.#lossRate]) meter.add(outcome)
    }
    this.#confirmed ||= outcomes.some(({ receivedAt }) => receivedAt !== undefined)
    this.#judge(now)
    for (const outcome of outcomes) this.#probed(this.#probes.add(outcome) ?? 0)
  }

  /** A receiver report: `loss` 0..1, `rtt` in milliseconds, `sent` bit/s of late. Counts where there is nothing better. */
  report({ loss, rtt, sent }: { loss: number; rtt: number | undefined; sent: number }, now: number): void {
    this.#confirmed = true
    if (this.isFed(now)) return
    this.#shortest = Math.min(this.#shortest, rtt ?? Number.POSITIVE_INFINITY)
    const queued = rtt !== undefined && rtt - this.#shortest > LONG_ROUND_TRIP
    this.#congested = queued || loss > MUCH_LOSS
    if (this.#congested) this.#decrease(Math.min(this.#target, sent || this.#target) * DECREASE, now)
    else if (loss < LITTLE_LOSS) this.#grow(sent * AHEAD_BLIND, now)
  }

  /**
   * REMB, bit/s: a cap where receiver reports are all there is. One that hardly exceeds what is sent is told by the sender's
   * own rate, not by the link (F01: it would never rise again).
   */
  remb(bitrate: number, { sent, now }: { sent: number; now: number }): void {
    if (this.isFed(now) || bitrate >= sent) return
    this.#target = this.#within(Math.min(this.#target, bitrate))
  }

  #judge(now: number): void {
    const loss = this.#lossRate.now ?? 0
    const queue = this.#queue.now
    this.#congested = queue > QUEUE || loss > MUCH_LOSS
    const arriving = this.#fast.now
    if (queue > QUEUE && arriving !== undefined) {
      this.#decrease(arriving * (queue > LONG_QUEUE ? DRAIN : DECREASE), now)
    } else if (loss > MUCH_LOSS) this.#decrease(this.#target * (1 - loss / 2), now)
    else if (loss < LITTLE_LOSS && queue < QUEUE / 2)
      this.#grow((this.#slow.now ?? 0) * AHEAD + HEADROOM, now)
    else this.#grownAt = now
  }

  #decrease(to: number, now: number): void {
    this.#grownAt = now
    if (now - this.#decreasedAt < SETTLE || to >= this.#target) return
    this.#decreasedAt = now
    this.#target = this.#within(to)
  }

  #grow(most: number, now: number): void {
    const seconds = Math.min(1, (now - (this.#grownAt ?? now)) / 1000)
    this.#grownAt = now
    if (!this.#confirmed || this.#target >= most) return
    this.#target = this.#within(Math.min(most, this.#target * GROWTH_PER_SECOND ** seconds))
  }

  #probed(rate: number): void {
    // what it showed is shown, even where it filled a queue for a moment
    if (rate > this.#target && (this.#lossRate.now ?? 0) <= MUCH_LOSS) this.#target = this.#within(rate)
  }

  #within(bitrate: number): number {
    return Math.min(this.#options.most, Math.max(this.#options.least, bitrate))
  }
}
