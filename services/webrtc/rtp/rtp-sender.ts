import {
  type RTCRtpSender,
  type RtcpPacket,
  RtcpSenderInfo,
  RtcpSourceDescriptionPacket,
  RtcpSrPacket,
  SourceDescriptionChunk,
  SourceDescriptionItem,
} from 'werift'
import { TokenBucket } from '#lib/token-bucket.ts'
import type { CongestionController } from '../congestion/congestion-controller.ts'
import type { Padding } from '../congestion/probe.ts'
import type { Probe } from '../congestion/sent-packets.ts'
import { createSrtpEncryption } from '../srtp/srtp-encryption.ts'
import { srtpKeys } from '../werift-patches/srtp-keys.ts'
import { negotiatedExtensions } from './header-extensions.ts'
import { missingSequences, receptionReport } from './rtcp-feedback.ts'
import { RtpHistory, type SentMedia } from './rtp-history.ts'
import { RtpStream } from './rtp-stream.ts'

/** From the NTP epoch (1900) to the Unix epoch, in seconds. RFC 3550 §4. */
const NTP_OFFSET = 2_208_988_800
const SDES_CNAME = 1
/** Bytes of UDP and IPv4 headers. */
const TRANSPORT_OVERHEAD = 8 + 20
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

/** Packets of one frame that leave together: `timestamp` is the RTP timestamp, `capturedAt` in ms since the epoch. */
interface Burst {
  payloads: readonly Buffer[]
  timestamp: number
  /** The last packet is that of the frame. */
  endsFrame: boolean
  capturedAt: number
}

interface RtpSenderOptions {
  sender: RTCRtpSender
  cname: string
  congestion: CongestionController
  sendDatagrams(datagrams: readonly Buffer[]): void
  /** A missing packet is not retransmitted any more: what follows it cannot be decoded before a keyframe. */
  onGivenUp(): void
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
  readonly #sendDatagrams: (datagrams: readonly Buffer[]) => void
  readonly #onGivenUp: () => void
  readonly #history = new RtpHistory()
  /** Bytes of retransmissions, bounded so that they do not fill a lossy path. */
  readonly #rtxBudget: TokenBucket
  #streams: { media: RtpStream; rtx: RtpStream | undefined } | undefined
  #maxPlayoutDelay = 0
  #newest: { timestamp: number; capturedAt: number } | undefined
  #senderReport: { ntpMiddle: number; at: number } | undefined

  /** `sendDatagrams` sends over the selected candidate pair. */
  constructor({ sender, cname, congestion, sendDatagrams, onGivenUp }: RtpSenderOptions) {
    this.#sender = sender
    this.#cname = cname
    this.#congestion = congestion
    this.#sendDatagrams = sendDatagrams
    this.#onGivenUp = onGivenUp
    this.#rtxBudget = new TokenBucket(RTX_BURST, () => (congestion.estimator.target * RTX_SHARE) / 8)
    this.ssrc = sender.ssrc
    disableOwnReports(sender)
  }

  /** Name of the negotiated payload format, e.g. `H264`; undefined when the answer accepts none. */
  get codec(): string | undefined {
    return this.#sender.codec?.name
  }

  /** The negotiated payload type of its format, in both directions. */
  get payloadType(): number | undefined {
    return this.#sender.codec?.payloadType
  }

  /** Throws when werift has not negotiated this format, the one in which the frames are packetized. */
  expectFormat({ codec, payloadType }: { codec: string; payloadType: number }): void {
    const { name, payloadType: actual } = this.#sender.codec ?? {}
    if (name?.toLowerCase() === codec && actual === payloadType) return
    throw new Error(`werift negotiated ${name} ${actual} where the answer selects ${codec} ${payloadType}`)
  }

  /** The longest time (ms) for which the viewer may hold frames back, for the sound; 0 by default. */
  set maxPlayoutDelay(ms: number) {
    this.#maxPlayoutDelay = ms
    this.#streams?.media.setMaxPlayoutDelay(ms)
    this.#streams?.rtx?.setMaxPlayoutDelay(ms)
  }

  /** Ignored before DTLS is connected and after the close. */
  send({ payloads, timestamp, endsFrame, capturedAt }: Burst): void {
    const streams = this.#connectedStreams()
    if (!streams) return
    const { sequence } = streams.media
    const packets = payloads.map((payload, i) => ({
      payload,
      timestamp,
      marker: endsFrame && i === payloads.length - 1,
      sequence: (sequence + i) & 0xffff,
    }))
    this.#transmit(streams.media, packets)
    for (const packet of packets) {
      this.octets += packet.payload.length
      if (streams.rtx) this.#history.add(packet)
    }
    this.packets += packets.length
    this.#newest = { timestamp, capturedAt }
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
    const now = performance.now()
    const media = this.#history.retransmit(sequence, now)
    if (!media && this.#history.givesUp(sequence, now)) this.#onGivenUp()
    if (media && this.#rtxBudget.take(media.payload.length)) this.#sendRtx(media)
  }

  /** RFC 4588 §4. */
  #sendRtx(media: SentMedia, probe?: Probe): number {
    const rtx = this.#connectedStreams()?.rtx
    return rtx ? this.#transmit(rtx, [{ ...media, original: media.sequence }], probe) : 0
  }

  /** Returns the bytes on the wire. */
  #transmit(
    stream: RtpStream,
    packets: readonly (Omit<SentMedia, 'sequence'> & { original?: number })[],
    probe?: Probe,
  ): number {
    const now = performance.now()
    let total = 0
    const numbered = packets.map(({ payload, timestamp, marker, original }) => {
      const size = stream.size({ payload, original }) + TRANSPORT_OVERHEAD
      total += size
      const transportSequence = this.#congestion.packetSent(size, { now, probe })
      return { payload, timestamp, marker, original, transportSequence }
    })
    this.#sendDatagrams(stream.write(numbered))
    return total
  }

  /** Undefined while nothing may be sent: before DTLS is connected, after the close, without a codec. */
  #connectedStreams(): { media: RtpStream; rtx: RtpStream | undefined } | undefined {
    const { codec, dtlsTransport: transport, stopped } = this.#sender
    if (!codec || stopped || transport?.state !== 'connected') return undefined
    if (this.#streams) return this.#streams
    const shared = {
      extensions: negotiatedExtensions(this.#sender),
      encryption: createSrtpEncryption(srtpKeys(transport.srtp)),
    }
    const rtxPayloadType = this.#rtxPayloadType
    this.#streams = {
      media: new RtpStream({ ...shared, ssrc: this.ssrc, payloadType: codec.payloadType }),
      rtx:
        rtxPayloadType === undefined
          ? undefined
          : new RtpStream({ ...shared, ssrc: this.#sender.rtxSsrc, payloadType: rtxPayloadType }),
    }
    this.maxPlayoutDelay = this.#maxPlayoutDelay
    return this.#streams
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
