import { field, packet, uint16 } from './raw-client.ts'

type Text = string | Buffer

/** Properties of MQTT 5.0 as bytes, by their name in the specification; `raw` is appended. */
export interface Properties {
  payloadFormat?: number
  expiry?: number
  contentType?: Text
  responseTopic?: Text
  correlation?: Text
  identifier?: number
  sessionExpiry?: number
  method?: Text
  willDelay?: number
  problemInformation?: number
  reason?: Text
  receiveMaximum?: number
  aliasMaximum?: number
  alias?: number
  user?: [Text, Text][]
  maximumSize?: number
  raw?: Buffer
}

const uint32 = (value: number) =>
  Buffer.from([value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255])

export function integer(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>= 7
  } while (rest > 0)
  return Buffer.from(bytes)
}

/** With their length. */
export function properties(of: Properties = {}): Buffer {
  const parts: Buffer[] = []
  const add = (id: number, value: Buffer | undefined) => value && parts.push(Buffer.from([id]), value)
  const byte = (value?: number) => (value === undefined ? undefined : Buffer.from([value]))
  const short = (value?: number) => (value === undefined ? undefined : uint16(value))
  const long = (value?: number) => (value === undefined ? undefined : uint32(value))
  const text = (value?: Text) => (value === undefined ? undefined : field(value))
  add(0x01, byte(of.payloadFormat))
  add(0x02, long(of.expiry))
  add(0x03, text(of.contentType))
  add(0x08, text(of.responseTopic))
  add(0x09, text(of.correlation))
  add(0x0b, of.identifier === undefined ? undefined : integer(of.identifier))
  add(0x11, long(of.sessionExpiry))
  add(0x15, text(of.method))
  add(0x17, byte(of.problemInformation))
  add(0x18, long(of.willDelay))
  add(0x1f, text(of.reason))
  add(0x21, short(of.receiveMaximum))
  add(0x22, short(of.aliasMaximum))
  add(0x23, short(of.alias))
  for (const [name, value] of of.user ?? []) add(0x26, Buffer.concat([field(name), field(value)]))
  add(0x27, long(of.maximumSize))
  if (of.raw) parts.push(of.raw)
  const bytes = Buffer.concat(parts)
  return Buffer.concat([integer(bytes.length), bytes])
}

interface Connect {
  id?: Text
  clean?: boolean
  keepAlive?: number
  will?: { topic: Text; payload?: Text; qos?: number; retain?: boolean; properties?: Properties }
  username?: Text
  password?: Text
  flags?: number
  properties?: Properties
}

export function connect5(options: Connect = {}): Buffer {
  const { id = '', clean = true, keepAlive = 60, will, username, password } = options
  const willFlags = will ? 4 | ((will.qos ?? 0) << 3) | (will.retain ? 32 : 0) : 0
  const flags =
    (clean ? 2 : 0) | willFlags | (password === undefined ? 0 : 64) | (username === undefined ? 0 : 128)
  const fields = [field(id)]
  if (will) fields.push(properties(will.properties), field(will.topic), field(will.payload ?? ''))
  if (username !== undefined) fields.push(field(username))
  if (password !== undefined) fields.push(field(password))
  const head = Buffer.from([5, flags | (options.flags ?? 0)])
  return packet(0x10, field('MQTT'), head, uint16(keepAlive), properties(options.properties), ...fields)
}

interface Publish {
  qos?: number
  retain?: boolean
  dup?: boolean
  id?: number
  properties?: Properties
}

export function publish5(topic: Text, payload: Text = '', options: Publish = {}): Buffer {
  const { qos = 0, retain = false, dup = false, id = 1 } = options
  const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
  const idBytes = qos > 0 ? uint16(id) : Buffer.alloc(0)
  return packet(first, field(topic), idBytes, properties(options.properties), Buffer.from(payload as string))
}

export const NO_LOCAL = 0x04
export const RETAIN_AS_PUBLISHED = 0x08
export const retainHandling = (value: number) => value << 4

export function subscribe5(id: number, filters: [Text, number][], of: Properties = {}): Buffer {
  const list = filters.flatMap(([filter, options]) => [field(filter), Buffer.from([options])])
  return packet(0x82, uint16(id), properties(of), ...list)
}

export function unsubscribe5(id: number, ...filters: Text[]): Buffer {
  return packet(0xa2, uint16(id), properties(), ...filters.map(field))
}

export const suback5 = (id: number, ...codes: number[]) =>
  packet(0x90, uint16(id), properties(), Buffer.from(codes))
export const unsuback5 = (id: number, ...codes: number[]) =>
  packet(0xb0, uint16(id), properties(), Buffer.from(codes))
export const disconnect5 = (reason: number, of: Properties = {}) =>
  packet(0xe0, Buffer.from([reason]), properties(of))
export const ack5 = (first: number, id: number, reason: number, of: Properties = {}) =>
  packet(first, uint16(id), Buffer.from([reason]), properties(of))
