import { isUtf8 } from 'node:buffer'
import { CONTROL_CHARACTER } from '#bus/topic.ts'
import { isTopicName } from './topics.ts'

/** Reason codes of MQTT 5.0, §2.4, for connections that the broker closes. */
export const REASON = {
  malformed: 0x81,
  protocolError: 0x82,
  unsupportedVersion: 0x84,
  identifier: 0x85,
  keepAliveTimeout: 0x8d,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
} as const
export type Reason = (typeof REASON)[keyof typeof REASON]

/** A DISCONNECT of the server, MQTT 5.0 §3.14. */
export function disconnectPacket(reason: Reason): Buffer {
  return Buffer.from([0xe0, 2, reason, 0])
}

/** A packet violates MQTT. The connection is closed: version 5 gets `reason`, 3.1.1 a CONNACK with `returnCode` where there is one. */
export class ProtocolViolation extends Error {
  readonly reason: Reason
  readonly returnCode: number | undefined
  /** Its CONNECT announced this version, so the CONNACK has its format. */
  connackVersion: number | undefined

  /** `clause` is the number of the normative statement, such as `3.1.2-22`. */
  constructor(clause: string, message: string, reason: Reason = REASON.malformed, returnCode?: number) {
    super(`[MQTT-${clause}] ${message}`)
    this.reason = reason
    this.returnCode = returnCode
  }
}

export function malformed(clause: string, message: string): ProtocolViolation {
  return new ProtocolViolation(clause, message)
}

/** Reads the fields of a packet's variable header and payload, MQTT 3.1.1 §1.5 and 5.0 §1.5. Each method throws {@link ProtocolViolation}. */
export class PacketBody {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length
  }

  get position(): number {
    return this.#position
  }

  byte(): number {
    return this.#take(1)[0] ?? 0
  }

  uint16(): number {
    return this.#take(2).readUInt16BE()
  }

  uint32(): number {
    return this.#take(4).readUInt32BE()
  }

  /** At most four bytes, and no more than needed, 5.0 §1.5.5. */
  variableInteger(): number {
    let value = 0
    for (let i = 0; i < 4; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * 128 ** i
      if (byte & 0x80) continue
      if (byte === 0 && i > 0) throw new ProtocolViolation('1.5.5-1', 'integer of more bytes than needed')
      return value
    }
    throw new ProtocolViolation('1.5.5', 'integer of more than four bytes')
  }

  /** Two bytes of length, and that many bytes. */
  binary(): Buffer {
    return this.#take(this.uint16())
  }

  string(): string {
    const bytes = this.binary()
    if (!isUtf8(bytes)) throw new ProtocolViolation('1.5.3-1', 'invalid UTF-8')
    if (bytes.includes(0)) throw new ProtocolViolation('1.5.3-2', 'NUL in a string')
    const text = bytes.toString()
    // not forbidden, but in a topic it would disconnect every Mosquitto bridge that gets the message
    if (CONTROL_CHARACTER.test(text)) throw new ProtocolViolation('1.5.3', 'control character in a string')
    return text
  }

  topicName(): string {
    const topic = this.string()
    if (topic === '') throw new ProtocolViolation('4.7.3-1', 'empty topic name', REASON.topicNameInvalid)
    if (!isTopicName(topic))
      throw new ProtocolViolation('3.3.2-2', 'wildcard in a topic name', REASON.topicNameInvalid)
    return topic
  }

  packetId(): number {
    const id = this.uint16()
    if (id === 0) throw new ProtocolViolation('2.3.1-1', 'packet id 0', REASON.protocolError)
    return id
  }

  /** The next bytes as a body of their own. */
  part(length: number): PacketBody {
    return new PacketBody(this.#take(length))
  }

  /** The bytes from a position to the current one. */
  since(position: number): Buffer {
    return this.#bytes.subarray(position, this.#position)
  }

  end(): void {
    if (!this.isAtEnd) throw new ProtocolViolation('4.8.0-1', 'packet is longer than its content')
  }

  #take(length: number): Buffer {
    const start = this.#position
    if (start + length > this.#bytes.length) {
      throw new ProtocolViolation('4.8.0-1', 'packet is shorter than its content')
    }
    this.#position += length
    return this.#bytes.subarray(start, this.#position)
  }
}
