/** A burst of padding that measures the capacity of the path. */
export interface Probe {
  /** Number of its packets. */
  packets: number
}

/** The viewer's report on one packet. */
export interface PacketArrival {
  /** Transport-wide sequence number, 16 bits. */
  sequence: number
  /** Arrival time in ms of the viewer's clock; undefined: not received (so far). */
  at: number | undefined
}

/** What became of one packet. */
export interface PacketOutcome {
  /** Milliseconds of our monotonic clock. */
  sentAt: number
  /** Bytes on the wire, with UDP and IP headers. */
  size: number
  /** The probe that it belonged to; undefined for media. */
  probe: Probe | undefined
  /** Milliseconds of the viewer's clock; undefined: lost. */
  receivedAt: number | undefined
}

interface SentPacket {
  sequence: number
  at: number
  size: number
  probe: Probe | undefined
  /** Reported as lost once: it may still arrive, but is not counted as lost twice. */
  lost: boolean
}

/** Some seconds of packets; a power of two. */
const HISTORY_LENGTH = 2_048

/** Assigns transport-wide sequence numbers and keeps each packet until the viewer has reported on it. */
export class SentPackets {
  readonly #ring: (SentPacket | undefined)[] = Array.from({ length: HISTORY_LENGTH })
  #sequence = 0

  /** The transport-wide sequence number of a packet that is sent now: `at` in ms, `size` in bytes on the wire. */
  add(size: number, at: number, probe?: Probe): number {
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#ring[this.#sequence % HISTORY_LENGTH] = { sequence: this.#sequence, at, size, probe, lost: false }
    return this.#sequence
  }

  /** Matches reports with the packets that were sent, each packet once. */
  acknowledge(arrivals: readonly PacketArrival[]): PacketOutcome[] {
    return arrivals.flatMap(({ sequence, at: receivedAt }) => {
      const sent = this.#ring[sequence % HISTORY_LENGTH]
      if (sent?.sequence !== sequence || (sent.lost && receivedAt === undefined)) return []
      if (receivedAt === undefined) sent.lost = true
      else this.#ring[sequence % HISTORY_LENGTH] = undefined
      return [{ sentAt: sent.at, size: sent.size, probe: sent.probe, receivedAt }]
    })
  }
}
