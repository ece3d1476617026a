import { type MessageProperties, PROPERTY } from './properties.ts'

interface Fields {
  version: number
  topic: string
  payload: Buffer
  qos: number
  retain: boolean
  dup: boolean
  /** Of QoS 1 and 2. */
  id: number
  properties?: MessageProperties | undefined
  /** Seconds. */
  expiry?: number | undefined
  subscriptionIdentifiers?: readonly number[] | undefined
}

/** Payloads up to this size [bytes] are copied: writing them as a chunk of their own takes longer. */
const MAX_COPIED = 2_048

const NO_IDENTIFIERS: readonly number[] = []

/** A PUBLISH, MQTT 3.1.1 and 5.0 §3.3, as one part or, with a large payload, as two. */
export function publishPacket(fields: Fields): Buffer[] {
  const { version, topic, qos, retain, dup, id, payload } = fields
  const topicBytes = Buffer.byteLength(topic)
  const propertyBytes = version === 5 ? sizeOfProperties(fields) : 0
  const variable =
    2 + topicBytes + (qos > 0 ? 2 : 0) + (version === 5 ? sizeOfInteger(propertyBytes) + propertyBytes : 0)
  const remaining = variable + payload.length
  const isCopied = payload.length <= MAX_COPIED
  const header = Buffer.allocUnsafe(1 + sizeOfInteger(remaining) + (isCopied ? remaining : variable))
  header[0] = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
  let at = writeInteger(header, remaining, 1)
  at = header.writeUInt16BE(topicBytes, at)
  at += header.write(topic, at)
  if (qos > 0) at = header.writeUInt16BE(id, at)
  if (version === 5) at = writeProperties(header, fields, writeInteger(header, propertyBytes, at))
  if (!isCopied) return [header, payload]
  payload.copy(header, at)
  return [header]
}

type Properties = Pick<Fields, 'properties' | 'expiry' | 'subscriptionIdentifiers'>

function sizeOfProperties({
  properties,
  expiry,
  subscriptionIdentifiers = NO_IDENTIFIERS,
}: Properties): number {
  const fixed = (properties?.raw?.length ?? 0) + (expiry === undefined ? 0 : 5)
  return subscriptionIdentifiers.reduce((sum, one) => sum + 1 + sizeOfInteger(one), fixed)
}

/** Returns the position behind them. */
function writeProperties(target: Buffer, fields: Properties, start: number): number {
  const { properties, expiry, subscriptionIdentifiers = NO_IDENTIFIERS } = fields
  let at = start + (properties?.raw?.copy(target, start) ?? 0)
  if (expiry !== undefined) {
    target[at] = PROPERTY.messageExpiry
    at = target.writeUInt32BE(expiry, at + 1)
  }
  for (const one of subscriptionIdentifiers) {
    target[at] = PROPERTY.subscriptionIdentifier
    at = writeInteger(target, one, at + 1)
  }
  return at
}

function sizeOfInteger(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  return value < 0x20_0000 ? 3 : 4
}

function writeInteger(target: Buffer, value: number, at: number): number {
  let rest = value
  let position = at
  do {
    target[position++] = (rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)
    rest >>>= 7
  } while (rest > 0)
  return position
}
