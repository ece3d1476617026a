import { randomInt } from 'node:crypto'
import {
  type RTCRtpSender,
  type RtcpPacket,
  RtcpSenderInfo,
  RtcpSourceDescriptionPacket,
  RtcpSrPacket,
  RtpHeader,
  SourceDescriptionChunk,
  SourceDescriptionItem,
} from 'werift'
import { type Link, lossOf } from '../congestion/congestion-controller.ts'
import type { Probe } from '../congestion/sent-packets.ts'
import { type HeaderExtensions, negotiatedExtensions } from './header-extensions.ts'
import { missing, receptionOf } from './rtcp-in.ts'
import { RtpHistory, type SentMedia } from './rtp-history.ts'
import { createRepeatBudget } from './rtx-budget.ts'

/** From the NTP epoch (1900) to the Unix epoch, in seconds. RFC 3550 §4. */
const NTP_OFFSET = 2_208_988_800
const SDES_CNAME = 1
/** Beside the RTP packet: SRTP's tag (RFC 5764 §4.1.2), UDP and IPv4. */
const ON_THE_WIRE = 10 + 8 + 20

/** What the viewer's receiver reports say. */
export interface ReceiverReport {
  /** Fraction lost since the report before, 0..1. */
  loss: number
  /** Milliseconds; undefined until a sender report has been answered. */
  rtt: number | undefined
}

/** One RTP packet to be sent: `timestamp` is the RTP timestamp, `at` the capture time in ms since the epoch. */
export interface Outgoing {
  payload: Buffer
  timestamp: number
  marker: boolean
  at: number
}

/** What a probe is made of. */
export interface Padding {
  /** Bytes, about. */
  size: number
  send(probe: Probe): number
}

/**
 * The sending side of one track of one viewer: numbers the packets, repeats those that are missing, and does the reports
 * of RFC 3550 §6.4. werift's own sender (0.25.2) would give a repetition the transport-wide number of its original.
 */
export class RtpOut {
  readonly ssrc: number
  /** Payload bytes sent so far. */
  octets = 0
  /** Media packets sent so far. */
  packets = 0
  received: ReceiverReport | undefined
  readonly #sender: RTCRtpSender
  readonly #cname: string
  readonly #link: Link
  readonly #history = new RtpHistory()
  readonly #repeats: ReturnType<typeof createRepeatBudget>
  #extensions: HeaderExtensions | undefined
  #rtxSequence = randomInt(0x8000)
  // RFC 3711 §3.3.1: a first number in the lower half keeps the rollover counter unambiguous when early packets are lost
  #sequence = randomInt(0x8000)
  #newest: { timestamp: number; at: number } | undefined
  #report: { ntpMiddle: number; at: number } | undefined

  constructor(sender: RTCRtpSender, cname: string, link: Link) {
    this.#sender = sender
    this.#cname = cname
    this.#link = link
    this.#repeats = createRepeatBudget(() => link.estimator.target)
    this.ssrc = sender.ssrc
    takeOverReports(sender)
  }

  /** Payload format that the answer took, e.g. `H264`; undefined when it took none. */
  get codec(): string | undefined {
    return this.#sender.codec?.name
  }

  /** Sends one packet; does nothing before DTLS is up and after the close. */
  send({ payload, timestamp, marker, at }: Outgoing): void {
    const { codec } = this.#sender
    if (!codec) return
    const media = { sequence: this.#sequence, timestamp, marker, payload }
    const sent = this.#transmit(media, { ssrc: this.ssrc, payloadType: codec.payloadType })
    if (!sent) return
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.octets += payload.length
    this.packets++
    this.#newest = { timestamp, at }
    if (this.#rtx !== undefined) this.#history.add(media)
  }

  /**
   * A packet that the viewer has already, to be sent again as padding of a probe; undefined when there is none or the
   * viewer takes no RTX (RFC 4588). `send` returns the bytes on the wire.
   */
  get padding(): Padding | undefined {
    const media = this.#rtx === undefined ? undefined : this.#history.filling()
    return media && { size: media.payload.length, send: (probe) => this.#sendAgain(media, probe) }
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
    for (const sequence of missing(packet, this.ssrc)) this.#repeat(sequence)
    const report = receptionOf(packet, this.ssrc)
    if (!report) return
    const { fractionLost, lsr, dlsr } = report
    const answered = this.#report !== undefined && lsr === this.#report.ntpMiddle
    const rtt = answered ? performance.now() - (this.#report?.at ?? 0) - (dlsr / 65_536) * 1000 : undefined
    this.received = {
      loss: lossOf(fractionLost),
      rtt: rtt === undefined ? this.received?.rtt : Math.max(0, rtt),
    }
  }

  get #rtx(): number | undefined {
    return Reflect.get(this.#sender, 'rtxPayloadType')
  }

  #repeat(sequence: number): void {
    const media = this.#history.repeat(sequence, performance.now())
    if (media && this.#repeats.take(media.payload.length)) this.#sendAgain(media)
  }

  /** RFC 4588 §4. */
  #sendAgain(media: SentMedia, probe?: Probe): number {
    const payloadType = this.#rtx
    if (payloadType === undefined) return 0
    const original = Buffer.allocUnsafe(2)
    original.writeUInt16BE(media.sequence)
    const again = { ...media, sequence: this.#rtxSequence, payload: Buffer.concat([original, media.payload]) }
    this.#rtxSequence = (this.#rtxSequence + 1) & 0xffff
    return this.#transmit(again, { ssrc: this.#sender.rtxSsrc, payloadType }, probe)
  }

  /** Returns the bytes on the wire; 0: nothing may be sent now. */
  #transmit(media: SentMedia, stream: { ssrc: number; payloadType: number }, probe?: Probe): number {
    const { dtlsTransport: transport } = this.#sender
    if (this.#sender.stopped || transport?.state !== 'connected') return 0
    this.#extensions ??= negotiatedExtensions(this.#sender)
    const { sequence: sequenceNumber, timestamp, marker, payload } = media
    const header = new RtpHeader({
      sequenceNumber,
      timestamp,
      marker,
      ...stream,
      extensions: this.#extensions.of(0),
    })
    const size = header.serializeSize + payload.length + ON_THE_WIRE
    header.extensions = this.#extensions.of(this.#link.leaves(size, probe))
    transport.sendRtp(payload, header).catch(() => undefined) // lost, as on any network
    return size
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
