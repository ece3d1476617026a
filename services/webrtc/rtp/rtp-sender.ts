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
import { TokenBucket } from '#lib/token-bucket.ts'
import type { CongestionController } from '../congestion/congestion-controller.ts'
import type { Padding } from '../congestion/probe.ts'
import type { Probe } from '../congestion/sent-packets.ts'
import { type HeaderExtensions, negotiatedExtensions } from './header-extensions.ts'
import { missingSequences, receptionReport } from './rtcp-feedback.ts'
import { RtpHistory, type SentMedia } from './rtp-history.ts'

/** From the NTP epoch (1900) to the Unix epoch, in seconds. RFC 3550 §4. */
const NTP_OFFSET = 2_208_988_800
const SDES_CNAME = 1
/** Bytes beside the RTP packet: SRTP tag (RFC 5764 §4.1.2), UDP and IPv4 headers. */
const TRANSPORT_OVERHEAD = 10 + 8 + 20
/** Share of the path's rate for retransmissions, and their largest burst in bytes. */
const RTX_SHARE = 0.3
const RTX_BURST = 30_000

/** The viewer's newest receiver report. */
interface ReceiverReport {
  /** Fraction lost since the previous report, 0..1. */
  loss: number
  /** Milliseconds; undefined until a sender report has been answered. */
  rtt: number | undefined
}

/** One RTP packet to be sent: `timestamp` is the RTP timestamp, `capturedAt` in ms since the epoch. */
interface MediaPacket {
  payload: Buffer
  timestamp: number
  marker: boolean
  capturedAt: number
}

/**
 * Sends one track to one viewer: numbers the packets, retransmits missing ones, and sends the reports of RFC 3550 §6.4.
 * werift's own sender (0.25.2) would give a retransmission the transport-wide number of its original.
 */
export class RtpSender {
  readonly ssrc: number
  /** Payload bytes sent so far. */
  octets = 0
  /** Media packets sent so far. */
  packets = 0
  received: ReceiverReport | undefined
  readonly #sender: RTCRtpSender
  readonly #cname: string
  readonly #congestion: CongestionController
  readonly #history = new RtpHistory()
  /** Bytes of retransmissions, bounded so that they do not fill a lossy path. */
  readonly #rtxBudget: TokenBucket
  #extensions: HeaderExtensions | undefined
  #rtxSequence = randomInt(0x8000)
  // RFC 3711 §3.3.1: a first number in the lower half keeps the rollover counter unambiguous when early packets are lost
  #sequence = randomInt(0x8000)
  #newest: { timestamp: number; capturedAt: number } | undefined
  #senderReport: { ntpMiddle: number; at: number } | undefined

  constructor(sender: RTCRtpSender, cname: string, congestion: CongestionController) {
    this.#sender = sender
    this.#cname = cname
    this.#congestion = congestion
    this.#rtxBudget = new TokenBucket(RTX_BURST, () => (congestion.estimator.target * RTX_SHARE) / 8)
    this.ssrc = sender.ssrc
    disableOwnReports(sender)
  }

  /** Name of the negotiated payload format, e.g. `H264`; undefined when the answer accepts none. */
  get codec(): string | undefined {
    return this.#sender.codec?.name
  }

  /** Throws when werift has not negotiated this format, the one in which the frames are packetized. */
  expectFormat({ codec, payloadType }: { codec: string; payloadType: number }): void {
    const { name, payloadType: actual } = this.#sender.codec ?? {}
    if (name?.toLowerCase() === codec && actual === payloadType) return
    throw new Error(`werift negotiated ${name} ${actual} where the answer selects ${codec} ${payloadType}`)
  }

  /** Sends one packet; ignored before DTLS is connected and after the close. */
  send({ payload, timestamp, marker, capturedAt }: MediaPacket): void {
    const { codec } = this.#sender
    if (!codec) return
    const media = { sequence: this.#sequence, timestamp, marker, payload }
    const sent = this.#transmit(media, { ssrc: this.ssrc, payloadType: codec.payloadType })
    if (!sent) return
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.octets += payload.length
    this.packets++
    this.#newest = { timestamp, capturedAt }
    if (this.#rtxPayloadType !== undefined) this.#history.add(media)
  }

  /** A packet that the viewer has, as padding of a probe; undefined when there is none or the viewer takes no RTX (RFC 4588). */
  get padding(): Padding | undefined {
    const media = this.#rtxPayloadType === undefined ? undefined : this.#history.largestRecent()
    return media && { size: media.payload.length, send: (probe) => this.#sendRtx(media, probe) }
  }

  /** Sends a sender report, which maps the RTP timestamps to the capture time. */
  async sendReport(): Promise<void> {
    const transport = this.#sender.dtlsTransport
    if (!this.#newest || transport.state !== 'connected') return
    const seconds = this.#newest.capturedAt / 1000 + NTP_OFFSET
    const fraction = Math.floor((seconds % 1) * 2 ** 32)
    const ntpTimestamp = (BigInt(Math.floor(seconds)) << 32n) | BigInt(fraction)
    this.#senderReport = { ntpMiddle: Number((ntpTimestamp >> 16n) & 0xffffffffn), at: performance.now() }
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

  /** Handles NACKs and reception reports about this track. */
  handleRtcp(packet: RtcpPacket): void {
    for (const sequence of missingSequences(packet, this.ssrc)) this.#retransmit(sequence)
    const report = receptionReport(packet, this.ssrc)
    if (!report) return
    const sent = this.#senderReport
    const answered = sent !== undefined && report.lastSenderReport === sent.ntpMiddle
    const rtt = answered ? performance.now() - sent.at - (report.delay / 65_536) * 1000 : undefined
    this.received = {
      loss: report.loss,
      rtt: rtt === undefined ? this.received?.rtt : Math.max(0, rtt),
    }
  }

  get #rtxPayloadType(): number | undefined {
    return Reflect.get(this.#sender, 'rtxPayloadType')
  }

  #retransmit(sequence: number): void {
    const media = this.#history.retransmit(sequence, performance.now())
    if (media && this.#rtxBudget.take(media.payload.length)) this.#sendRtx(media)
  }

  /** RFC 4588 §4. */
  #sendRtx(media: SentMedia, probe?: Probe): number {
    const payloadType = this.#rtxPayloadType
    if (payloadType === undefined) return 0
    const original = Buffer.allocUnsafe(2)
    original.writeUInt16BE(media.sequence)
    const rtx = { ...media, sequence: this.#rtxSequence, payload: Buffer.concat([original, media.payload]) }
    this.#rtxSequence = (this.#rtxSequence + 1) & 0xffff
    return this.#transmit(rtx, { ssrc: this.#sender.rtxSsrc, payloadType }, probe)
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
      extensions: this.#extensions.forPacket(0),
    })
    const size = header.serializeSize + payload.length + TRANSPORT_OVERHEAD
    header.extensions = this.#extensions.forPacket(this.#congestion.packetSent(size, probe))
    transport.sendRtp(payload, header).catch(() => undefined) // lost, as on any network
    return size
  }
}

/**
 * Takes two jobs from werift's sender (0.25.2). The NTP time in its sender reports has a wrong fraction (utils.ts
 * `ntpTime`), so a browser would see the clock jump by up to a second. Its bandwidth estimator keeps one record per
 * packet forever and mistakes the burst of a keyframe for congestion.
 */
function disableOwnReports(sender: RTCRtpSender): void {
  Object.assign(sender.senderBWE, { rtpPacketSent: () => undefined, receiveTWCC: () => undefined })
  Object.assign(sender, { runRtcp: () => Promise.resolve() })
}
