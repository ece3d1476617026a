import type { Arrival } from './transport-feedback.ts'

/** A burst of padding that finds out what the way carries. */
export interface Probe {
  /** Of how many packets it is made. */
  packets: number
}

/** What became of one packet. */
export interface Outcome {
  /** Milliseconds of our monotonic clock. */
  sentAt: number
  /** Bytes on the wire, with UDP and IP. */
  size: number
  /** What it belonged to, when it was no media. */
  probe: Probe | undefined
  /** Milliseconds of the viewer's clock; undefined: lost. */
  receivedAt: number | undefined
}

interface Sent {
  sequence: number
  at: number
  size: number
  probe: Probe | undefined
  /** Has been reported as lost: it may still turn up, but is not lost twice. */
  lost: boolean
}

/** As many packets as some seconds hold; a power of two. */
const KEPT = 2_048

/** Numbers the packets of one transport and remembers them until the viewer has said what became of them. */
export class SentPackets {
  readonly #ring: (Sent | undefined)[] = Array.from({ length: KEPT })
  #sequence = 0

  /** Returns the transport-wide sequence number of a packet that leaves now: `at` in ms, `size` in bytes on the wire. */
  add(size: number, at: number, probe?: Probe): number {
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#ring[this.#sequence % KEPT] = { sequence: this.#sequence, at, size, probe, lost: false }
    return this.#sequence
  }

  /** Matches what the viewer says with what was sent, each packet once. */
  settle(arrivals: readonly Arrival[]): Outcome[] {
    return arrivals.flatMap(({ sequence, at: receivedAt }) => {
      const sent = this.#ring[sequence % KEPT]
      if (sent?.sequence !== sequence || (sent.lost && receivedAt === undefined)) return []
      if (receivedAt === undefined) sent.lost = true
      else this.#ring[sequence % KEPT] = undefined
      return [{ sentAt: sent.at, size: sent.size, probe: sent.probe, receivedAt }]
    })
  }
}
