/**
 * Congestion control of one viewer's path: pacing, probes, and the estimate of its capacity (draft-ietf-rmcat-gcc). It
 * takes parsed reports and imports no other room; `rtp/` parses RTCP, `video/rate-control.ts` uses the estimate.
 */
import { schedulingDelay } from '#lib/process/scheduling-delay.ts'
import { Estimator } from './estimator.ts'
import { ArrivalRate } from './packet-rates.ts'
import { type PacketArrival, type Probe, SentPackets } from './sent-packets.ts'

/** First estimate for a viewer, and the lowest one, in bit/s. */
const START_BITRATE = 600_000
const MIN_BITRATE = 150_000
/** Share above the video bitrate up to which the estimate may rise: headers, retransmissions, headroom. */
const OVERHEAD = 1.3

/** Records what is sent to one viewer and turns the viewer's reports into an estimate. */
export class CongestionController {
  readonly estimator: Estimator
  /** Highest estimate, in bit/s. */
  readonly maxBitrate: number
  readonly #sent = new SentPackets()
  readonly #sentRate = new ArrivalRate(1_000)
  /** Called after each transport-wide feedback message. */
  onFeedback: () => void = () => undefined

  /** `videoBitrate`: highest video bitrate, in bit/s. */
  constructor(videoBitrate: number) {
    this.maxBitrate = videoBitrate * OVERHEAD
    this.estimator = new Estimator({
      start: Math.min(START_BITRATE, this.maxBitrate),
      min: Math.min(MIN_BITRATE, this.maxBitrate),
      max: this.maxBitrate,
      ownDelay: () => schedulingDelay.worst,
    })
  }

  /** The transport-wide sequence number for a packet of `size` bytes on the wire; `now` in ms. */
  packetSent(size: number, { now, probe }: { now: number; probe?: Probe | undefined }): number {
    this.#sentRate.add({ receivedAt: now, size })
    return this.#sent.add(size, now, probe)
  }

  /** Transport-wide feedback. */
  transportFeedback(arrivals: readonly PacketArrival[]): void {
    this.estimator.transportFeedback(this.#sent.acknowledge(arrivals), performance.now())
    this.onFeedback()
  }

  /** A receiver report about the video: `loss` 0..1, `rtt` in ms where known. */
  receiverReport({ loss, rtt }: { loss: number; rtt: number | undefined }): void {
    this.estimator.receiverReport({ loss, rtt, sent: this.#sentRate.now ?? 0 }, performance.now())
  }

  /** REMB, in bit/s. */
  remb(bitrate: number): void {
    this.estimator.remb(bitrate, { sent: this.#sentRate.now ?? 0, now: performance.now() })
  }
}
