import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { until } from '#dev/harness/until.ts'

type Text = string | Buffer

/** A UTF-8 string or binary data with its two bytes of length, MQTT 3.1.1 §1.5.3. */
export function field(text: Text): Buffer {
  const bytes = Buffer.from(text as string)
  return Buffer.concat([uint16(bytes.length), bytes])
}

export function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

/** A packet of any first byte and content. */
export function packet(first: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const length: number[] = []
  let rest = body.length
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>= 7
  } while (rest > 0)
  return Buffer.concat([Buffer.from([first, ...length]), body])
}

interface ConnectOptions {
  name?: Text
  level?: number
  extraFlags?: number
  clean?: boolean
  keepAlive?: number
  id?: Text
  will?: { topic: Text; payload?: Text; qos?: number; retain?: boolean }
  username?: Text
  password?: Text
  /** Bytes after the payload. */
  rest?: Buffer
}

export function connect(options: ConnectOptions = {}): Buffer {
  const { name = 'MQTT', level = 4, keepAlive = 0, id = '', will, username, password } = options
  const flags = connectFlags(options) | (options.extraFlags ?? 0)
  const fields: Text[] = [id]
  if (will) fields.push(will.topic, will.payload ?? '')
  if (username !== undefined) fields.push(username)
  if (password !== undefined) fields.push(password)
  const rest = options.rest ?? Buffer.alloc(0)
  return packet(0x10, field(name), Buffer.from([level, flags]), uint16(keepAlive), ...fields.map(field), rest)
}

function connectFlags({ clean = true, will, username, password }: ConnectOptions): number {
  const willFlags = will ? 4 | ((will.qos ?? 0) << 3) | (will.retain ? 32 : 0) : 0
  return (clean ? 2 : 0) | willFlags | (password === undefined ? 0 : 64) | (username === undefined ? 0 : 128)
}

interface PublishOptions {
  qos?: number
  retain?: boolean
  dup?: boolean
  id?: number
}

export function publish(topic: Text, payload: Text = '', options: PublishOptions = {}): Buffer {
  const { qos = 0, retain = false, dup = false, id = 1 } = options
  const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
  return packet(first, field(topic), qos > 0 ? uint16(id) : Buffer.alloc(0), Buffer.from(payload as string))
}

export function subscribe(id: number, ...filters: [filter: Text, qos: number][]): Buffer {
  return packet(0x82, uint16(id), ...filters.flatMap(([filter, qos]) => [field(filter), Buffer.from([qos])]))
}

export function unsubscribe(id: number, ...filters: Text[]): Buffer {
  return packet(0xa2, uint16(id), ...filters.map(field))
}

export const puback = (id: number) => packet(0x40, uint16(id))
export const pubrec = (id: number) => packet(0x50, uint16(id))
export const pubrel = (id: number) => packet(0x62, uint16(id))
export const pubcomp = (id: number) => packet(0x70, uint16(id))
export const PINGREQ = packet(0xc0)
export const PINGRESP = packet(0xd0)
export const DISCONNECT = packet(0xe0)
export const connack = (code = 0, sessionPresent = 0) => packet(0x20, Buffer.from([sessionPresent, code]))
export const suback = (id: number, ...codes: number[]) => packet(0x90, uint16(id), Buffer.from(codes))
export const unsuback = (id: number) => packet(0xb0, uint16(id))

/** A TCP connection that sends and receives raw packets. Closed after the test. */
export class RawClient {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #closed = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes])
    })
    socket.on('close', () => {
      this.#closed = true
    })
  }

  send(...packets: Buffer[]): void {
    this.#socket.write(Buffer.concat(packets))
  }

  /** Ends the connection without a DISCONNECT. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** The next packet as hex; `closed` if the connection ends first. */
  async next(): Promise<string> {
    const show = () => this.#received.toString('hex')
    await until(() => this.#hasPacket() || this.#closed, { deadline: 5_000, every: 2, show })
    if (!this.#hasPacket()) return 'closed'
    const length = packetLength(this.#received) ?? 0
    const found = this.#received.subarray(0, length)
    this.#received = this.#received.subarray(length)
    return found.toString('hex')
  }

  /** The next packets as hex. */
  async take(count: number): Promise<string[]> {
    const packets: string[] = []
    while (packets.length < count) packets.push(await this.next())
    return packets
  }

  #hasPacket(): boolean {
    const length = packetLength(this.#received)
    return length !== undefined && length <= this.#received.length
  }
}

export async function dial(t: TestContext, port: number): Promise<RawClient> {
  const socket = connectTcp(port, '127.0.0.1')
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return new RawClient(socket)
}

function packetLength(bytes: Buffer): number | undefined {
  let length = 0
  for (let i = 1; i < bytes.length && i <= 4; i++) {
    length += ((bytes[i] ?? 0) & 0x7f) << (7 * (i - 1))
    if (((bytes[i] ?? 0) & 0x80) === 0) return i + 1 + length
  }
  return undefined
}
