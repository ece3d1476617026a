import type { RTCPeerConnection } from 'werift'
import { sctpPacketCost } from './sctp-packet.ts'

/** Private members of werift's RTCSctpTransport and SCTP. */
interface Internals {
  dtlsTransport: { dataReceiver: (packet: Buffer) => void }
  dataChannels: Record<number, { readyState: string; setReadyState(state: 'open'): void } | undefined>
  datachannelReceive(streamId: number, protocol: number, data: Buffer): Promise<void>
}
interface Outbound {
  /** Sent but not acknowledged, and not sent yet. */
  sentQueue: unknown[]
  outboundQueue: unknown[]
  lastSackedTsn: number
}
interface AssociationInternals extends Outbound {
  handleData(packet: Buffer): Promise<void>
  inboundStreams: Record<number, { reassembly: { userData: Buffer }[] }>
  sackMisOrdered: Set<number>
  sackDuplicates: number[]
  lastReceivedTsn: number | undefined
  markReceived(tsn: number): boolean
}

/** Limits of one association. Control messages have 16 KiB at most, and a drive stick sends 50 a second. */
const MAX_FRAGMENTS = 256
const MAX_FRAGMENT_BYTES = 128 * 1024
const MAX_OUT_OF_ORDER = 256
const MAX_STREAMS = 64
const MAX_CHANNELS = 16
/** Duplicates that one SACK reports. */
const MAX_DUPLICATES = 32
/** Chunks and parameters: burst and rate a second. Packets beyond are dropped, and so many dropped ones are an attack. */
const CHUNK_BURST = 500
const CHUNK_RATE = 500
const MAX_DROPPED = 500

/**
 * Time without an acknowledgment while the viewer sends: RFC 9260 §8.1 gives an association up after ten
 * retransmissions, which takes about as long.
 */
const MAX_UNACKNOWLEDGED_MS = 15_000
/**
 * Chunks that wait for room in the viewer's window; the answers to its commands are a few. werift wakes each waiting message
 * for every packet: 1,500 of them took 160 MB.
 */
const MAX_WAITING_CHUNKS = 128
/** A longer pause of the viewer is an interruption of the path, after which the time starts again. */
const MAX_PAUSE_MS = 2_000

/** RFC 8831 §8: payload protocol identifier of DCEP. */
const DCEP = 50

/**
 * Keeps the SCTP association of one viewer within limits, and calls `onExceeded` once with the limit that it exceeds.
 * werift 0.25.2 has none: it searches all fragments of a message for each new one, so 2 MB of tiny fragments of a message
 * that never ends block the event loop for 40 s. It also reads packets and
 * messages in async functions that reject on unexpected input; the unhandled rejection would end the process.
 */
export function guardSctp(pc: RTCPeerConnection, onExceeded: (limit: string) => void): void {
  const transport = pc.sctpTransport
  if (!transport) throw new Error('create a data channel first')
  const internals = transport as unknown as Internals
  const association = transport.sctp as unknown as AssociationInternals
  association.markReceived = markReceived
  const budget = new ChunkBudget()
  const acknowledgments = new AcknowledgmentWatch()
  let exceeded = false
  internals.dtlsTransport.dataReceiver = (packet) => {
    if (exceeded) return
    const chunks = sctpPacketCost(packet)
    if (chunks === undefined) return
    if (budget.take(chunks)) association.handleData(packet).catch(() => undefined) // malformed: dropped
    const limit = budget.isExceeded
      ? 'chunks a second'
      : (exceededLimit(association, internals) ?? acknowledgments.exceededLimit(association))
    if (limit === undefined) return
    exceeded = true
    onExceeded(limit)
  }
  transport.sctp.onReceive.allUnsubscribe()
  transport.sctp.onReceive.subscribe((streamId, protocol, data) => {
    const channel = internals.dataChannels[streamId]
    // the first message may overtake DATA_CHANNEL_ACK: it opens the channel as well (RFC 8832 §6)
    if (protocol !== DCEP && channel?.readyState === 'connecting') channel.setReadyState('open')
    internals.datachannelReceive(streamId, protocol, data).catch(() => undefined) // malformed: dropped
  })
}

/**
 * Records a TSN; true when it is a duplicate. werift 0.25.2 sorts and filters all TSNs out of order for each new one.
 * RFC 9260 §6.2: numbers are compared modulo 2^32.
 */
function markReceived(this: AssociationInternals, tsn: number): boolean {
  const last = this.lastReceivedTsn ?? (tsn - 1) >>> 0
  if (((last - tsn) | 0) >= 0 || this.sackMisOrdered.has(tsn)) {
    if (this.sackDuplicates.length < MAX_DUPLICATES) this.sackDuplicates.push(tsn)
    return true
  }
  this.sackMisOrdered.add(tsn)
  let newest = last
  while (this.sackMisOrdered.delete((newest + 1) >>> 0)) newest = (newest + 1) >>> 0
  this.lastReceivedTsn = newest
  return false
}

/** Starts no association when the answer rejects the data channel. */
export function ignoreSctp(pc: RTCPeerConnection): void {
  const { sctpManager } = pc as unknown as { sctpManager: { sctpRemotePort: number | undefined } }
  sctpManager.sctpRemotePort = undefined
}

function exceededLimit(
  { inboundStreams, sackMisOrdered }: AssociationInternals,
  { dataChannels }: Internals,
): string | undefined {
  const streams = Object.values(inboundStreams)
  let fragments = 0
  let bytes = 0
  for (const { reassembly } of streams) {
    fragments += reassembly.length
    for (const { userData } of reassembly) bytes += userData.length
  }
  if (fragments > MAX_FRAGMENTS || bytes > MAX_FRAGMENT_BYTES) return 'unfinished messages'
  if (sackMisOrdered.size > MAX_OUT_OF_ORDER) return 'packets out of order'
  if (streams.length > MAX_STREAMS) return 'streams'
  if (Object.keys(dataChannels).length > MAX_CHANNELS) return 'data channels'
  return undefined
}

/**
 * Detects a viewer that sends, but acknowledges nothing or keeps its window closed: what waits for it is limited, but
 * would be retransmitted for ever.
 */
export class AcknowledgmentWatch {
  readonly #now: () => number
  #acknowledged: number | undefined
  #since = Number.NEGATIVE_INFINITY
  #lastPacketAt = Number.NEGATIVE_INFINITY

  constructor(now = performance.now.bind(performance)) {
    this.#now = now
  }

  /** Call it for each packet of the viewer. */
  exceededLimit({ sentQueue, outboundQueue, lastSackedTsn }: Outbound): string | undefined {
    if (outboundQueue.length > MAX_WAITING_CHUNKS) return 'unacknowledged messages'
    const now = this.#now()
    const isPending = sentQueue.length + outboundQueue.length > 0
    const isPause = now - this.#lastPacketAt > MAX_PAUSE_MS
    this.#lastPacketAt = now
    if (!isPending || lastSackedTsn !== this.#acknowledged || isPause) this.#since = now
    this.#acknowledged = lastSackedTsn
    return now - this.#since > MAX_UNACKNOWLEDGED_MS ? 'unacknowledged messages' : undefined
  }
}

class ChunkBudget {
  #chunks = CHUNK_BURST
  #at = performance.now()
  #dropped = 0

  take(chunks: number): boolean {
    const now = performance.now()
    this.#chunks = Math.min(CHUNK_BURST, this.#chunks + ((now - this.#at) * CHUNK_RATE) / 1_000)
    this.#at = now
    if (this.#chunks === CHUNK_BURST) this.#dropped = 0
    const within = chunks <= this.#chunks
    if (within) this.#chunks -= chunks
    else this.#dropped++
    return within
  }

  get isExceeded(): boolean {
    return this.#dropped > MAX_DROPPED
  }
}
