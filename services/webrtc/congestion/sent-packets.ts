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

/** Some seconds of packets; a power of two. */
const HISTORY_LENGTH = 2_048

/** Assigns transport-wide sequence numbers and keeps each packet until the viewer has reported on it. */
export class SentPackets {
  /** Number of the packet in each place; -1: none that is unreported. */
  readonly #sequences = new Int32Array(HISTORY_LENGTH).fill(-1)
  readonly #sentAt = new Float64Array(HISTORY_LENGTH)
  readonly #sizes = new Uint32Array(HISTORY_LENGTH)
  readonly #probes: (Probe | undefined)[] = Array.from({ length: HISTORY_LENGTH })
  /** Reported as lost once: it may still arrive, but is not counted as lost twice. */
  readonly #lost = new Uint8Array(HISTORY_LENGTH)
  #sequence = 0

  /** The transport-wide sequence number of a packet that is sent now: `at` in ms, `size` in bytes on the wire. */
  add(size: number, at: number, probe?: Probe): number {
    this.#sequence = (this.#sequence + 1) & 0xffff
    const place = this.#sequence % HISTORY_LENGTH
    this.#sequences[place] = this.#sequence
    this.#sentAt[place] = at
    this.#sizes[place] = size
    this.#probes[place] = probe
    this.#lost[place] = 0
    return this.#sequence
  }

  /** Matches reports with the packets that were sent, each packet once. */
  acknowledge(arrivals: readonly PacketArrival[]): PacketOutcome[] {
    const outcomes: PacketOutcome[] = []
    for (const { sequence, at: receivedAt } of arrivals) {
      const place = sequence % HISTORY_LENGTH
      if (this.#sequences[place] !== sequence || (this.#lost[place] && receivedAt === undefined)) continue
      if (receivedAt === undefined) this.#lost[place] = 1
      else this.#sequences[place] = -1
      outcomes.push({
        sentAt: this.#sentAt[place] ?? 0,
        size: this.#sizes[place] ?? 0,
        probe: this.#probes[place],
        receivedAt,
      })
    }
    return outcomes
  }
}
