import { randomInt } from 'node:crypto'
import {
  type RTCRtpSender,
  type RtcpPacket,
  RtcpSenderInfo,
  RtcpSourceDescriptionPacket,
  RtcpSrPacket,
  RtpHeader,
  RtpPacket,
  SourceDescriptionChunk,
  SourceDescriptionItem,
} from 'werift'
import { playoutDelay } from './playout-delay.ts'
import { receptionOf } from './rtcp-in.ts'

/** From the NTP epoch (1900) to the Unix epoch, in seconds. RFC 3550 §4. */
const NTP_OFFSET = 2_208_988_800
const SDES_CNAME = 1

/** What the viewer's receiver reports say. */
export interface ReceiverReport {
  /** Fraction lost since the report before, 0..1. */
  loss: number
  /** Milliseconds; undefined until a sender report has been answered. */
  rtt: number | undefined
}

/** The sending side of one track of one viewer: numbers the packets and does the reports of RFC 3550 §6.4. */
export class RtpOut {
  readonly ssrc: number
  /** Payload bytes sent so far. */
  octets = 0
  /** Media packets sent so far. */
  packets = 0
  received: ReceiverReport | undefined
  readonly #sender: RTCRtpSender
  readonly #cname: string
  // RFC 3711 §3.3.1: a first number in the lower half keeps the rollover counter unambiguous when early packets are lost
  #sequence = randomInt(0x8000)
  #newest: { timestamp: number; at: number } | undefined
  #report: { ntpMiddle: number; at: number } | undefined

  constructor(sender: RTCRtpSender, cname: string) {
    this.#sender = sender
    this.#cname = cname
    this.ssrc = sender.ssrc
    takeOverReports(sender)
  }

  /** Payload format that the answer took, e.g. `H264`; undefined when it took none. */
  get codec(): string | undefined {
    return this.#sender.codec?.name
  }

  /**
   * Sends the payloads of one picture or audio frame; does nothing before DTLS is up and after the close. `timestamp` is
   * the RTP timestamp, `at` the capture time in ms since the epoch.
   */
  send(payloads: readonly Buffer[], timestamp: number, at: number): void {
    const extensions = playoutDelay(this.#sender)
    for (const [i, payload] of payloads.entries()) {
      const marker = i === payloads.length - 1
      const sequenceNumber = this.#sequence
      const header = new RtpHeader({ sequenceNumber, timestamp, marker, extensions: [...extensions] })
      this.#sequence = (this.#sequence + 1) & 0xffff
      this.octets += payload.length
      this.packets++
      this.#sender.sendRtp(new RtpPacket(header, payload)).catch(() => undefined) // lost, as on any network
    }
    this.#newest = { timestamp, at }
  }

  /** Sends a sender report that ties the RTP timestamps to the time of capture. */
  async sendReport(): Promise<void> {
    const transport = this.#sender.dtlsTransport
    if (!this.#newest || transport.state !== 'connected') return
    const seconds = this.#newest.at / 1000 + NTP_OFFSET
    const fraction = Math.floor((seconds % 1) * 2 ** 32)
    const ntpTimestamp = (BigInt(Math.floor(seconds)) << 32n) | BigInt(fraction)
    this.#report = { ntpMiddle: Number((ntpTimestamp >> 16n) & 0xffffffffn), at: performance.now() }
    const { ssrc } = this
    await transport.sendRtcp([
      new RtcpSrPacket({
        ssrc,
        senderInfo: new RtcpSenderInfo({
          ntpTimestamp,
          rtpTimestamp: this.#newest.timestamp,
          packetCount: this.packets >>> 0,
          octetCount: this.octets >>> 0,
        }),
      }),
      new RtcpSourceDescriptionPacket({
        chunks: [
          new SourceDescriptionChunk({
            source: ssrc,
            items: [new SourceDescriptionItem({ type: SDES_CNAME, text: this.#cname })],
          }),
        ],
      }),
    ])
  }

  /** Takes in what an RTCP packet says about the reception of this track. */
  receive(packet: RtcpPacket): void {
    const report = receptionOf(packet, this.ssrc)
    if (!report) return
    const { fractionLost, lsr, dlsr } = report
    const answered = this.#report !== undefined && lsr === this.#report.ntpMiddle
    const rtt = answered ? performance.now() - (this.#report?.at ?? 0) - (dlsr / 65_536) * 1000 : undefined
    this.received = {
      loss: fractionLost / 256,
      rtt: rtt === undefined ? this.received?.rtt : Math.max(0, rtt),
    }
  }
}

/**
 * Takes two jobs away from werift's sender (0.25.2). Its sender reports carry an NTP time whose fraction is wrong
 * (utils.ts `ntpTime`), so a browser would see its clock jump by up to a second and shift the picture to follow. Its
 * bandwidth estimator keeps one record per packet for ever and mistakes a keyframe's burst for congestion.
 */
function takeOverReports(sender: RTCRtpSender): void {
  Object.assign(sender.senderBWE, { rtpPacketSent: () => undefined, receiveTWCC: () => undefined })
  Object.assign(sender, { runRtcp: () => Promise.resolve() })
}
