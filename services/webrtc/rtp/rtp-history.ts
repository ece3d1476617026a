/** A media packet that may be retransmitted. */
export interface SentMedia {
  sequence: number
  timestamp: number
  marker: boolean
  payload: Buffer
}

/** About three seconds of video at the highest bitrate; a power of two. All viewers share the payloads. */
const HISTORY_LENGTH = 512
/** Requests within this time were made before the last retransmission could arrive. */
const MIN_INTERVAL_MS = 30
const MAX_RETRANSMISSIONS = 6

interface StoredPacket extends SentMedia {
  retransmissions: number
  retransmittedAt: number
  /** {@link RtpHistory.givesUp} has reported it. */
  givenUp: boolean
}

/** The newest media packets of one track, for retransmission. RFC 4585 §6.2.1. */
export class RtpHistory {
  readonly #ring: (StoredPacket | undefined)[] = Array.from({ length: HISTORY_LENGTH })
  #newest: number | undefined

  add({ sequence, timestamp, marker, payload }: SentMedia): void {
    this.#newest = sequence
    const at = sequence % HISTORY_LENGTH
    const stored = this.#ring[at] ?? createRecord(sequence, payload)
    this.#ring[at] = stored
    stored.sequence = sequence
    stored.timestamp = timestamp
    stored.marker = marker
    stored.payload = payload
    stored.retransmissions = 0
    stored.retransmittedAt = Number.NEGATIVE_INFINITY
    stored.givenUp = false
  }

  /** The packet of this number, if it may be retransmitted at `now` (ms); valid until the next {@link add}. */
  retransmit(sequence: number, now: number): SentMedia | undefined {
    const stored = this.#ring[sequence % HISTORY_LENGTH]
    if (stored?.sequence !== sequence || stored.retransmissions >= MAX_RETRANSMISSIONS) return undefined
    if (now - stored.retransmittedAt < MIN_INTERVAL_MS) return undefined
    stored.retransmissions++
    stored.retransmittedAt = now
    return stored
  }

  /** Whether this packet was retransmitted as often as allowed and is still missing at `now` (ms); true once. */
  givesUp(sequence: number, now: number): boolean {
    const stored = this.#ring[sequence % HISTORY_LENGTH]
    if (stored?.sequence !== sequence || stored.retransmissions < MAX_RETRANSMISSIONS) return false
    if (stored.givenUp || now - stored.retransmittedAt < MIN_INTERVAL_MS) return false
    stored.givenUp = true
    return true
  }

  /** The largest recent packet, for padding. */
  largestRecent(): SentMedia | undefined {
    let largest: StoredPacket | undefined
    for (let back = 0; this.#newest !== undefined && back < HISTORY_LENGTH / 2; back++) {
      const stored = this.#ring[(this.#newest - back + 0x10000) % HISTORY_LENGTH]
      if (stored && stored.payload.length > (largest?.payload.length ?? 0)) largest = stored
    }
    return largest && { ...largest }
  }
}

/** Used again for a packet that comes 512 later. */
function createRecord(sequence: number, payload: Buffer): StoredPacket {
  return {
    sequence,
    timestamp: 0,
    marker: false,
    payload,
    retransmissions: 0,
    retransmittedAt: Number.NEGATIVE_INFINITY,
    givenUp: false,
  }
}
