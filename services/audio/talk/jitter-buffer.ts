import { SAMPLE_RATE, SAMPLES_PER_MS } from '../sound/format.ts'
import { DelayEstimator, MAX_TARGET_MS } from './delay-estimator.ts'

/** A larger step of the timestamp begins a new stream. */
const MAX_STEP = 10 * SAMPLE_RATE
const MAX_PACKETS = 100
/** So many late packets without one in time are a sender whose timestamps have stepped back: a new stream. */
const MAX_LATE_IN_A_ROW = 25
/** What is left out at once. */
const BLOCK_MS = 20
/** One packet in this time is left out where packets wait too long. */
const SKIP_INTERVAL_MS = 200
/** The slowest packet of the last seconds still waits so long after another is left out. */
const LEAST_WAIT_MS = 20
/** The fastest waits at least so long. */
const MIN_DELAY_MS = 40
/** More sound than this above the target is left out at once. */
const JUMP_ABOVE_MS = 200
/** What is missing for longer is silence, not concealed. */
const MAX_CONCEALED_MS = 100
/** A pause of the sender that is longer is skipped, shorter ones keep their length. */
const MAX_PAUSE_MS = 120

interface Buffered {
  /** Samples since the beginning of the stream. */
  at: number
  samples: number
  data: Buffer
}

/** Sound (ms) that was concealed, left out to reduce the delay, and received too late. */
export interface RepairCounts {
  concealed: number
  skipped: number
  late: number
}

/** What is played next. */
export type Playout =
  | { type: 'packet'; data: Buffer }
  /** Decoded, and left out: the next packet follows at once. */
  | { type: 'skip'; data: Buffer }
  /** So many samples are missing. */
  | { type: 'conceal'; samples: number }

/**
 * Orders packets by their timestamps and holds each until its time: as long as the variation of the arrivals requires, 40 to
 * 120 ms. Where the buffer runs empty the playout waits, where it has become too long a packet is left out.
 */
export class JitterBuffer {
  readonly #counts: RepairCounts
  #delays = new DelayEstimator()
  #packets: Buffered[] = []
  /** The last timestamp, 32 bits, and its position in the stream. */
  #last: { timestamp: number; at: number } | undefined
  /** Position of the sample that is played next; undefined while the buffer fills. */
  #next: number | undefined
  #fillingSince = 0
  /** Samples concealed since the buffer ran empty. */
  #waited = 0
  #skippedAt = Number.NEGATIVE_INFINITY
  #lateInARow = 0

  /** `counts` are increased. */
  constructor(counts: RepairCounts) {
    this.#counts = counts
  }

  /** ms that packets wait. */
  get target(): number {
    return this.#delays.target
  }

  /** `timestamp`: 32 bits; `samples`: of the packet; `now`: ms, monotonic. */
  add(packet: { timestamp: number; samples: number; data: Buffer }, now: number): void {
    const { timestamp, samples, data } = packet
    const step = this.#last ? (timestamp - this.#last.timestamp) | 0 : 0
    if (Math.abs(step) > MAX_STEP) this.#restart()
    const at = this.#last && Math.abs(step) <= MAX_STEP ? this.#last.at + step : 0
    if (!this.#last || step > 0 || Math.abs(step) > MAX_STEP) this.#last = { timestamp, at }
    this.#delays.arrived(at / SAMPLES_PER_MS, now)
    if (this.#next !== undefined && at < this.#next) {
      this.#late(packet, now)
      return
    }
    this.#lateInARow = 0
    const index = this.#packets.findLastIndex((packet) => packet.at <= at)
    if (this.#packets[index]?.at === at) return // a duplicate
    if (this.#packets.length === 0 && this.#next === undefined) this.#fillingSince = now
    this.#packets.splice(index + 1, 0, { at, samples, data })
    if (this.#packets.length > MAX_PACKETS) this.#packets.shift()
  }

  /** `due`: when it is played (ms, monotonic), which a delay of the process does not change. Undefined while there is nothing. */
  take(due: number): Playout | undefined {
    const [first] = this.#packets
    if (this.#next === undefined) {
      if (!first || due - this.#fillingSince < this.target) return undefined
      this.#next = first.at
      this.#waited = 0
    }
    if (!first) return this.#starve()
    this.#waited = 0
    if (first.at - this.#next > MAX_PAUSE_MS * SAMPLES_PER_MS) this.#next = first.at
    if (first.at > this.#next) return this.#conceal(Math.min(first.samples, first.at - this.#next))
    return this.#play(first, due)
  }

  #play(first: Buffered, due: number): Playout {
    if (this.#length > this.target + JUMP_ABOVE_MS) {
      while (this.#packets.length > 1 && this.#length > this.target) this.#skip()
    }
    const packet = this.#packets.shift() ?? first
    this.#next = packet.at + packet.samples
    if (!this.#isTooLong(packet, due)) return { type: 'packet', data: packet.data }
    this.#skippedAt = due
    this.#counts.skipped += packet.samples / SAMPLES_PER_MS
    return { type: 'skip', data: packet.data }
  }

  /** ms from the first to the end of the last packet. */
  get #length(): number {
    const [first, last] = [this.#packets[0], this.#packets.at(-1)]
    return first && last ? (last.at + last.samples - first.at) / SAMPLES_PER_MS : 0
  }

  /** Whether this packet can be left out: all of the last seconds have waited longer than they need, or longer than may be. */
  #isTooLong({ at }: Buffered, due: number): boolean {
    if (this.#packets.length === 0 || due - this.#skippedAt <= SKIP_INTERVAL_MS) return false
    const played = due - at / SAMPLES_PER_MS
    const [least, most] = [played - this.#delays.slowest, played - this.#delays.fastest]
    if (most - BLOCK_MS > MAX_TARGET_MS) return true
    return least - BLOCK_MS >= LEAST_WAIT_MS && most - BLOCK_MS >= MIN_DELAY_MS
  }

  #skip(): void {
    const packet = this.#packets.shift()
    if (packet) this.#counts.skipped += packet.samples / SAMPLES_PER_MS
  }

  /** What was to be played by now: left out, or the beginning of a new stream. */
  #late(packet: Parameters<JitterBuffer['add']>[0], now: number): void {
    if (++this.#lateInARow > MAX_LATE_IN_A_ROW) {
      this.#restart()
      this.add(packet, now)
    } else this.#counts.late += packet.samples / SAMPLES_PER_MS
  }

  /** The next packet may still come: the playout waits for it. */
  #starve(): Playout | undefined {
    const samples = BLOCK_MS * SAMPLES_PER_MS
    this.#waited += samples
    if (this.#waited > MAX_CONCEALED_MS * SAMPLES_PER_MS) {
      this.#next = undefined
      return undefined
    }
    this.#counts.concealed += samples / SAMPLES_PER_MS
    return { type: 'conceal', samples }
  }

  /** Later packets are there, so this one is lost. */
  #conceal(samples: number): Playout {
    this.#next = (this.#next ?? 0) + samples
    this.#counts.concealed += samples / SAMPLES_PER_MS
    return { type: 'conceal', samples }
  }

  #restart(): void {
    // positions begin at 0 again
    this.#delays = new DelayEstimator()
    this.#packets = []
    this.#last = undefined
    this.#next = undefined
    this.#lateInARow = 0
  }
}
