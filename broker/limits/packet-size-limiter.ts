import type { Duplex } from 'node:stream'

export interface PacketLimits {
  /** Largest PUBLISH [bytes]. */
  maxBytes: number
  /** Largest packet of any other type, and before the login [bytes]. */
  maxBytesBeforeLogin: number
  /** Whether the client is logged in. */
  isAccepted(): boolean
  /** Called for each packet with its type (MQTT 3.1.1 §2.2.1) and QoS bits. */
  onPacket(type: number, qos: number): void
  /** Called for a packet above the limit; it is not read. */
  onTooLarge(): void
}

/** Size of the longest remaining length field, MQTT 3.1.1 §2.2.3. */
const MAX_LENGTH_BYTES = 4
/** Control packet type, MQTT 3.1.1 §2.2.1. */
const PUBLISH = 3

/**
 * Closes a connection when a packet is too large, before it is buffered: Aedes's parser would accept 256 MiB. Reads only the
 * fixed header of each packet.
 */
export function limitPacketSizes(connection: Duplex, options: PacketLimits): void {
  const reader = new HeaderReader(options)
  const read = connection.read.bind(connection)
  connection.read = (size?: number) => {
    const chunk: Buffer | null = read(size)
    if (chunk === null || reader.read(chunk)) return chunk
    options.onTooLarge()
    connection.destroy()
    return null
  }
}

class HeaderReader {
  readonly #options: PacketLimits
  /** Remaining bytes of the current packet; undefined within its header. */
  #rest: number | undefined
  #first: number | undefined
  #length = 0
  #digits = 0

  constructor(options: PacketLimits) {
    this.#options = options
  }

  /** Returns false at a packet above the limit. */
  read(chunk: Buffer): boolean {
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
    if (more) return this.#digits < MAX_LENGTH_BYTES
    const { maxBytes, maxBytesBeforeLogin, isAccepted, onPacket } = this.#options
    // only a PUBLISH may be large: a SUBSCRIBE of megabytes would occupy the broker for seconds
    const mayBeLarge = isAccepted() && this.#first >> 4 === PUBLISH
    if (this.#length > (mayBeLarge ? maxBytes : maxBytesBeforeLogin)) return false
    onPacket(this.#first >> 4, (this.#first >> 1) & 3)
    this.#first = undefined
    this.#rest = this.#length
    return true
  }
}
