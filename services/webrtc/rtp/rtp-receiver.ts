import { RtcpReceiverInfo, type RtcpSrPacket, type RtpPacket } from 'werift'

/** Sequence numbers are at most so far ahead or behind; others begin a new stream. RFC 3550 appendix A.1. */
const MAX_DROPOUT = 3_000
const MAX_MISORDER = 100
/** Clock of Opus (Hz). RFC 7587 §4.1. */
const CLOCK_HZ = 48_000
const MAX_LOST = 0x7fffff

/** A packet of the viewer's microphone. */
export interface VoicePacket {
  sequence: number
  timestamp: number
  payload: Buffer
}

interface Stream {
  ssrc: number
  /** Of the first packet, and the highest one, both with the number of wraps above 16 bits. */
  first: number
  highest: number
  received: number
  /** At the last report. */
  reported: { expected: number; received: number }
  /** Ticks. RFC 3550 appendix A.8. */
  jitter: number
  transit: number
  /** Of the newest sender report: its NTP time (middle 32 bits), and when it arrived. */
  senderReport: { ntpMiddle: number; at: number } | undefined
}

/**
 * Receives the one audio stream that a viewer sends, and counts what its receiver reports say. Ours instead of werift's, which
 * answers each packet with transport feedback, and keeps what the viewer chooses.
 */
export class RtpReceiver {
  readonly #payloadType: () => number | undefined
  readonly #onPacket: (packet: VoicePacket) => void
  #stream: Stream | undefined

  constructor(payloadType: () => number | undefined, onPacket: (packet: VoicePacket) => void) {
    this.#payloadType = payloadType
    this.#onPacket = onPacket
  }

  /** A decrypted packet; one of another payload type is ignored. */
  receive({ header, payload }: Pick<RtpPacket, 'header' | 'payload'>, now = performance.now()): void {
    if (header.payloadType !== this.#payloadType() || payload.length === 0) return
    const { ssrc, sequenceNumber: sequence, timestamp } = header
    const transit = (now * CLOCK_HZ) / 1_000 - timestamp
    const stream = this.#streamOf(ssrc, sequence, transit)
    const ahead = difference(sequence, stream.highest & 0xffff)
    if (ahead > 0) stream.highest += ahead
    stream.received++
    const deviation = Math.abs(transit - stream.transit)
    // a timestamp that wraps or jumps says nothing about the path
    if (deviation < CLOCK_HZ) stream.jitter += (deviation - stream.jitter) / 16
    stream.transit = transit
    this.#onPacket({ sequence, timestamp, payload })
  }

  /** A sender report of the viewer. */
  handleSenderReport({ ssrc, senderInfo }: RtcpSrPacket, now = performance.now()): void {
    if (ssrc !== this.#stream?.ssrc) return
    const ntpMiddle = Number((senderInfo.ntpTimestamp >> 16n) & 0xffffffffn)
    this.#stream.senderReport = { ntpMiddle, at: now }
  }

  /** The report block about what has arrived since the last one, RFC 3550 §6.4.1; undefined when nothing has. */
  report(now = performance.now()): RtcpReceiverInfo | undefined {
    const stream = this.#stream
    if (!stream || stream.received === stream.reported.received) return undefined
    const expected = stream.highest - stream.first + 1
    const sent = expected - stream.reported.expected
    const lost = sent - (stream.received - stream.reported.received)
    stream.reported = { expected, received: stream.received }
    const { senderReport } = stream
    return new RtcpReceiverInfo({
      ssrc: stream.ssrc,
      fractionLost: sent > 0 && lost > 0 ? Math.floor((lost * 256) / sent) & 0xff : 0,
      packetsLost: Math.min(MAX_LOST, Math.max(0, expected - stream.received)),
      highestSequence: stream.highest >>> 0,
      jitter: Math.round(stream.jitter),
      lsr: senderReport?.ntpMiddle ?? 0,
      dlsr: senderReport ? Math.min(0xffffffff, Math.round(((now - senderReport.at) * 65_536) / 1_000)) : 0,
    })
  }

  #streamOf(ssrc: number, sequence: number, transit: number): Stream {
    const current = this.#stream
    const ahead = current ? difference(sequence, current.highest & 0xffff) : 0
    if (current?.ssrc === ssrc && ahead < MAX_DROPOUT && ahead > -MAX_MISORDER) return current
    this.#stream = {
      ssrc,
      first: sequence,
      highest: sequence,
      received: 0,
      reported: { expected: 0, received: 0 },
      jitter: 0,
      transit,
      senderReport: undefined,
    }
    return this.#stream
  }
}

/** Of two sequence numbers, modulo 65536: -32768 to 32767. */
function difference(a: number, b: number): number {
  return ((a - b) << 16) >> 16
}
