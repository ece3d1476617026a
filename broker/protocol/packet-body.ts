import { isUtf8 } from 'node:buffer'
import { CONTROL_CHARACTER } from '#bus/topic.ts'

/** A packet violates MQTT 3.1.1. The connection is closed, after a CONNACK with `returnCode` where there is one. */
export class ProtocolViolation extends Error {
  readonly returnCode: number | undefined

  /** `clause` is the number of the normative statement, such as `3.1.2-22`. */
  constructor(clause: string, message: string, returnCode?: number) {
    super(`[MQTT-${clause}] ${message}`)
    this.returnCode = returnCode
  }
}

/** Reads the fields of a packet's variable header and payload, MQTT 3.1.1 §1.5. Each method throws {@link ProtocolViolation}. */
export class PacketBody {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length
  }

  byte(): number {
    return this.#take(1)[0] ?? 0
  }

  uint16(): number {
    return this.#take(2).readUInt16BE()
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

  packetId(): number {
    const id = this.uint16()
    if (id === 0) throw new ProtocolViolation('2.3.1-1', 'packet id 0')
    return id
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
