import { ProtocolViolation, REASON } from './packet-body.ts'
import {
  CONNECT,
  DISCONNECT,
  MQTT_5,
  PUBLISH,
  publishHeaderLength,
  validateBody,
  validateFixedHeader,
} from './packets.ts'
import type { MessageProperties } from './properties.ts'

/** Decisions of the connection about its packets. */
export interface PacketPolicy {
  /** Returns false if a packet of this type and remaining length [bytes] must not be received. */
  accepts(type: number, length: number): boolean
  /** Called when a packet begins, with its type and QoS bits. */
  onPacket(type: number, qos: number): void
  /** Called when all bytes of a packet have been read. */
  onEnd(): void
  /** A PUBLISH of MQTT 5, or the last will of a CONNECT, is valid and has these properties. */
  onMessage?(properties: MessageProperties): void
}

/** A packet that the policy does not accept. */
export class PacketRejected extends Error {}

const MIN_PACKET_BYTES = 2
/** Size of the longest remaining length field, MQTT 3.1.1 §2.2.3. */
const MAX_LENGTH_BYTES = 4

/**
 * Follows the packets of one connection and validates each before its last byte is passed on. It buffers no payload of a
 * PUBLISH: the variable header is enough.
 */
export class PacketReader {
  readonly #policy: PacketPolicy
  #first: number | undefined
  #type = 0
  #length = 0
  #lengthBytes = 0
  /** Unread bytes of the current packet; undefined within its fixed header. */
  #rest: number | undefined
  /** The part of the packet that is validated, as far as it has arrived; undefined when it is. */
  #pending: Buffer | undefined
  #connected = false
  #disconnected = false
  #version = 0
  #sessionExpiry = 0

  constructor(policy: PacketPolicy) {
    this.#policy = policy
  }

  /** Type of the current packet, or of the last one. */
  get type(): number {
    return this.#type
  }

  /** Protocol level of the CONNECT; 0 before it. */
  get version(): number {
    return this.#version
  }

  /** The client has sent a DISCONNECT: what follows is discarded [MQTT-3.14.4-2]. */
  get isDisconnected(): boolean {
    return this.#disconnected
  }

  /** Bytes that certainly belong to the current packet: never more than are missing of it. */
  get missing(): number {
    if (this.#rest !== undefined) return this.#rest
    return this.#first === undefined ? MIN_PACKET_BYTES : 1
  }

  /**
   * Reads the next bytes of the connection. Throws {@link ProtocolViolation} or {@link PacketRejected}; the complete packets
   * before are valid.
   */
  read(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#rest === undefined) {
        this.#readFixedHeader(chunk[at++] ?? 0)
      } else {
        const step = Math.min(this.#rest, chunk.length - at)
        this.#readBody(chunk.subarray(at, at + step))
        this.#rest -= step
        at += step
      }
      if (this.#rest === 0) this.#finish()
    }
  }

  #readFixedHeader(byte: number): void {
    if (this.#first === undefined) {
      this.#first = byte
      this.#type = validateFixedHeader(byte)
      this.#checkOrder()
      this.#length = 0
      this.#lengthBytes = 0
      return
    }
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes++
    if (byte & 0x80) {
      if (this.#lengthBytes < MAX_LENGTH_BYTES) return
      throw new ProtocolViolation('2.2.3', 'remaining length of more than four bytes')
    }
    if (!this.#policy.accepts(this.#type, this.#length)) throw new PacketRejected('packet too large')
    this.#policy.onPacket(this.#type, (this.#first >> 1) & 3)
    this.#rest = this.#length
    this.#pending = Buffer.alloc(0)
  }

  #checkOrder(): void {
    if (this.#type === CONNECT && this.#connected) {
      throw new ProtocolViolation('3.1.0-2', 'second CONNECT', REASON.protocolError)
    }
    if (this.#type !== CONNECT && !this.#connected) {
      throw new ProtocolViolation('3.1.0-1', 'the first packet is not a CONNECT')
    }
  }

  #readBody(bytes: Buffer): void {
    if (this.#pending === undefined) return
    const first = this.#first ?? 0
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    if (this.#type !== PUBLISH) return
    const length = publishHeaderLength(first, this.#pending, this.#version)
    if (length === Number.POSITIVE_INFINITY) throw new PacketRejected('properties too large')
    if (length === undefined || length > this.#pending.length) return
    this.#validate(this.#pending.subarray(0, length))
    this.#pending = undefined
  }

  #validate(bytes: Buffer): void {
    const connection = { version: this.#version, sessionExpiry: this.#sessionExpiry }
    const { version, sessionExpiry, message } = validateBody(this.#type, this.#first ?? 0, bytes, connection)
    if (version !== undefined) this.#version = version
    if (sessionExpiry !== undefined) this.#sessionExpiry = sessionExpiry
    if (message !== undefined) this.#policy.onMessage?.(message)
  }

  #finish(): void {
    // a PUBLISH that ends within its variable header is invalid here as well
    if (this.#pending !== undefined) this.#validate(this.#pending)
    if (this.#type === CONNECT) this.#connected = true
    if (this.#type === DISCONNECT && this.#version === MQTT_5) this.#disconnected = true
    this.#pending = undefined
    this.#first = undefined
    this.#rest = undefined
    this.#policy.onEnd()
  }
}
