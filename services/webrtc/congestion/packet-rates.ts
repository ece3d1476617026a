import type { PacketOutcome } from './sent-packets.ts'

/** Packets in one window: a viewer may report the same arrival time for all. */
const MAX_PACKETS = 2_048

/** Bitrate of the packets that arrived, over the last `windowMs` of the viewer's clock. */
export class ArrivalRate {
  readonly #windowMs: number
  #arrived: { at: number; size: number }[] = []
  #first: number | undefined
  #newest = 0

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  add({ receivedAt, size }: PacketOutcome): void {
    if (receivedAt === undefined) return
    if (this.#first === undefined || Math.abs(receivedAt - this.#newest) > 10 * this.#windowMs) {
      this.#first = receivedAt
      this.#newest = receivedAt
      this.#arrived = []
    }
    this.#newest = Math.max(this.#newest, receivedAt)
    this.#arrived.push({ at: receivedAt, size })
    this.#arrived = this.#arrived.filter(({ at }) => at > this.#newest - this.#windowMs).slice(-MAX_PACKETS)
  }

  /** bit/s; undefined until a whole window has passed. */
  get now(): number | undefined {
    if (this.#first === undefined || this.#newest - this.#first < this.#windowMs) return undefined
    const bytes = this.#arrived.reduce((sum, { size }) => sum + size, 0)
    return (bytes * 8_000) / this.#windowMs
  }
}

const LOSS_WINDOW_MS = 1_000
/** Fewer packets say nothing about the path. */
const MIN_PACKETS = 20

/** Fraction of the packets of the last second that were lost. */
export class LossRate {
  #recent: { at: number; lost: boolean }[] = []

  add({ sentAt, receivedAt }: PacketOutcome): void {
    this.#recent.push({ at: sentAt, lost: receivedAt === undefined })
    this.#recent = this.#recent.filter(({ at }) => at > sentAt - LOSS_WINDOW_MS)
  }

  /** 0..1; undefined while too few packets are reported. */
  get now(): number | undefined {
    if (this.#recent.length < MIN_PACKETS) return undefined
    return this.#recent.filter(({ lost }) => lost).length / this.#recent.length
  }
}
