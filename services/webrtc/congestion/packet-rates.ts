import type { PacketOutcome } from './sent-packets.ts'

/** Packets in one window: a viewer may report the same arrival time for all. */
const MAX_PACKETS = 2_048

/** The sum of the values of a sliding window, oldest first, in constant time for each. */
class SlidingSum {
  /** Two arrays of numbers: a record for each packet would have to be collected again. */
  #times: number[] = []
  #values: number[] = []
  /** Index of the oldest value that counts. */
  #first = 0
  #sum = 0

  get sum(): number {
    return this.#sum
  }

  get length(): number {
    return this.#times.length - this.#first
  }

  add(at: number, value: number): void {
    this.#times.push(at)
    this.#values.push(value)
    this.#sum += value
  }

  /** Drops the oldest values until all are after `from`, and at most `max` are left. */
  trim(from: number, max: number): void {
    while (this.length > 0) {
      if ((this.#times[this.#first] ?? 0) > from && this.length <= max) break
      this.#sum -= this.#values[this.#first] ?? 0
      this.#first++
    }
    if (this.#first < MAX_PACKETS) return
    this.#times = this.#times.slice(this.#first)
    this.#values = this.#values.slice(this.#first)
    this.#first = 0
  }

  clear(): void {
    this.#times = []
    this.#values = []
    this.#first = 0
    this.#sum = 0
  }
}

/** Bitrate of the packets that arrived, over the last `windowMs` of the viewer's clock. */
export class ArrivalRate {
  readonly #windowMs: number
  readonly #bytes = new SlidingSum()
  #first: number | undefined
  #newest = 0

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  add({ receivedAt, size }: Pick<PacketOutcome, 'receivedAt' | 'size'>): void {
    if (receivedAt === undefined) return
    if (this.#first === undefined || Math.abs(receivedAt - this.#newest) > 10 * this.#windowMs) {
      this.#first = receivedAt
      this.#newest = receivedAt
      this.#bytes.clear()
    }
    this.#newest = Math.max(this.#newest, receivedAt)
    this.#bytes.add(receivedAt, size)
    this.#bytes.trim(this.#newest - this.#windowMs, MAX_PACKETS)
  }

  /** bit/s; undefined until a whole window has passed. */
  get now(): number | undefined {
    if (this.#first === undefined || this.#newest - this.#first < this.#windowMs) return undefined
    return (this.#bytes.sum * 8_000) / this.#windowMs
  }
}

const LOSS_WINDOW_MS = 1_000
/** Fewer packets say nothing about the path. */
const MIN_PACKETS = 20

/** Fraction of the packets of the last second that were lost. */
export class LossRate {
  readonly #lost = new SlidingSum()

  add({ sentAt, receivedAt }: Pick<PacketOutcome, 'sentAt' | 'receivedAt'>): void {
    this.#lost.add(sentAt, receivedAt === undefined ? 1 : 0)
    this.#lost.trim(sentAt - LOSS_WINDOW_MS, MAX_PACKETS)
  }

  /** 0..1; undefined while too few packets are reported. */
  get now(): number | undefined {
    return this.#lost.length < MIN_PACKETS ? undefined : this.#lost.sum / this.#lost.length
  }
}
