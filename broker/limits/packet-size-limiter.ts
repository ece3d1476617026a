import type { Duplex } from 'node:stream'

/** What a connection has said so far, and the bounds on a packet of it. */
export interface MeterOptions {
  /** Largest message in bytes. */
  maxBytes: number
  /** Largest packet of any other kind, and of a client that is not let in yet. */
  maxBytesBefore: number
  /** Has it been let in? */
  known(): boolean
  /** A packet of this type begins: the upper four bits of its first byte, MQTT 3.1.1 §2.2.1, and its QoS bits. */
  onPacket(type: number, qos: number): void
  /** A packet is too large; it will not be read. */
  onTooLarge(): void
}

/** Longest remaining length field, bytes [MQTT-2.2.3]. */
const LENGTH_BYTES = 4
/** Control packet type, MQTT 3.1.1 §2.2.1. */
const PUBLISH = 3

/**
 * Follows the packets in what is read from a connection, and ends it when one is too large, before it is gathered in
 * memory: Aedes's parser would wait for 256 MiB. Looks at the first bytes of each packet only.
 */
export function meterPackets(connection: Duplex, options: MeterOptions): void {
  const follower = new Follower(options)
  const read = connection.read.bind(connection)
  connection.read = (size?: number) => {
    const chunk: Buffer | null = read(size)
    if (chunk === null || follower.follow(chunk)) return chunk
    options.onTooLarge()
    connection.destroy()
    return null
  }
}

class Follower {
  readonly #options: MeterOptions
  /** Bytes of the packet that are still to come; undefined within its header. */
  #rest: number | undefined
  #first: number | undefined
  #length = 0
  #digits = 0

  constructor(options: MeterOptions) {
    this.#options = options
  }

  /** False when a packet begins that may not be read. */
  follow(chunk: Buffer): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#rest === undefined) {
        if (!this.#header(chunk[at++] ?? 0)) return false
      } else {
        const step = Math.min(this.#rest, chunk.length - at)
        this.#rest -= step
        at += step
      }
      if (this.#rest === 0) this.#rest = undefined
    }
    return true
  }

  #header(byte: number): boolean {
    if (this.#first === undefined) {
      this.#first = byte
      this.#length = 0
      this.#digits = 0
      return true
    }
    this.#length += (byte & 0x7f) * 128 ** this.#digits++
    const more = (byte & 0x80) !== 0
    if (more) return this.#digits < LENGTH_BYTES
    const { maxBytes, maxBytesBefore, known, onPacket } = this.#options
    // only messages are large: a SUBSCRIBE of megabytes would keep the broker busy for seconds
    const mayBeLarge = known() && this.#first >> 4 === PUBLISH
    if (this.#length > (mayBeLarge ? maxBytes : maxBytesBefore)) return false
    onPacket(this.#first >> 4, (this.#first >> 1) & 3)
    this.#first = undefined
    this.#rest = this.#length
    return true
  }
}
