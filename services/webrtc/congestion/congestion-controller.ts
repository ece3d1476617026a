import { ReceiverEstimatedMaxBitrate, type RtcpPacket, RtcpPayloadSpecificFeedback } from 'werift'
import { receptionOf } from '../rtp/rtcp-in.ts'
import { ArrivalRate } from './arrival-rate.ts'
import { Estimator } from './estimator.ts'
import { type Probe, SentPackets } from './sent-packets.ts'
import { arrivalsOf } from './transport-feedback.ts'

/** bit/s at which a viewer begins, and what is never gone below. */
const START = 600_000
const LEAST = 150_000
/** What the estimate is good for: the video, its overhead and some room. */
const ROOM = 1.3

/** The way to one viewer: what goes out on it, and what the viewer says has come through. */
export class Link {
  readonly estimator: Estimator
  readonly most: number
  readonly #sent = new SentPackets()
  readonly #sentRate = new ArrivalRate(1_000)
  /** Called after each transport-wide feedback. */
  onFeedback: () => void = () => undefined

  /** `bitrate` of the video at its best, bit/s. */
  constructor(bitrate: number) {
    this.most = bitrate * ROOM
    this.estimator = new Estimator({
      start: Math.min(START, this.most),
      least: Math.min(LEAST, this.most),
      most: this.most,
    })
  }

  /** Returns the transport-wide sequence number for a packet of `size` bytes on the wire that leaves now. */
  leaves(size: number, probe?: Probe): number {
    const now = performance.now()
    this.#sentRate.add({ sentAt: now, receivedAt: now, size, probe: undefined })
    return this.#sent.add(size, now, probe)
  }

  /** Takes in what an RTCP packet says of the way. `video` is the SSRC, `rtt` milliseconds where it is known. */
  receive(packet: RtcpPacket, video: number, rtt: number | undefined): void {
    const now = performance.now()
    const arrivals = arrivalsOf(packet)
    if (arrivals) {
      this.estimator.feedback(this.#sent.settle(arrivals), now)
      this.onFeedback()
      return
    }
    const sent = this.#sentRate.now ?? 0
    const report = receptionOf(packet, video)
    if (report) this.estimator.report({ loss: lossOf(report.fractionLost), rtt, sent }, now)
    const remb = rembOf(packet)
    if (remb !== undefined) this.estimator.remb(remb, { sent, now })
  }
}

/** A receiver report's fraction lost, of 256, as 0..1. RFC 3550 §6.4.1; F05. */
export function lossOf(fractionLost: number): number {
  return fractionLost / 256
}

/** bit/s of a REMB message. draft-alvestrand-rmcat-remb-03 §2.2. */
function rembOf(packet: RtcpPacket): number | undefined {
  if (!(packet instanceof RtcpPayloadSpecificFeedback)) return undefined
  const feedback: unknown = packet.feedback
  return feedback instanceof ReceiverEstimatedMaxBitrate ? Number(feedback.bitrate) : undefined
}
