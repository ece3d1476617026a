import { malformed, PacketBody, ProtocolViolation, REASON } from './packet-body.ts'
import { ALLOWED, type MessageProperties, PROPERTY, readProperties } from './properties.ts'
import { isFilter, isTopicName } from './topics.ts'

/** Control packet types that a client sends, MQTT 3.1.1 §2.2.1 and 5.0 §2.1.2. */
export const CONNECT = 1
export const PUBLISH = 3
const PUBACK = 4
const PUBREC = 5
const PUBREL = 6
const PUBCOMP = 7
const SUBSCRIBE = 8
const UNSUBSCRIBE = 10
const PINGREQ = 12
export const DISCONNECT = 14
const AUTH = 15

/** Return codes of a CONNACK, 3.1.1 §3.2.2.3. */
const UNACCEPTABLE_VERSION = 1
const IDENTIFIER_REJECTED = 2

/** Subscriptions of one client, so also filters of one packet. */
export const MAX_SUBSCRIPTIONS = 500

/** Protocol levels by name: MQTT 3.1, 3.1.1 and 5.0. */
const LEVELS: Readonly<Record<string, readonly number[]>> = { MQIsdp: [3], MQTT: [4, 5] }
const MQTT_3_1 = 3
export const MQTT_5 = 5
/** Added to the level by Mosquitto's bridges (`try_private`), so that retained messages stay retained there. */
const BRIDGE_BIT = 0x80

const CLEAN_SESSION = 0x02
const WILL = 0x04
const WILL_RETAIN = 0x20
const PASSWORD = 0x40
const USER_NAME = 0x80

/** Whether one packet of this type can occupy the broker as long as many others do. */
export function isCostly(type: number): boolean {
  return type === CONNECT || changesSubscriptions(type)
}

export function changesSubscriptions(type: number): boolean {
  return type === SUBSCRIBE || type === UNSUBSCRIBE
}

/** Validates the first byte of a packet: a type that clients send, and its flags. Returns the type. */
export function validateFixedHeader(first: number): number {
  const type = first >> 4
  const flags = first & 0x0f
  if (!(type in BODIES))
    throw new ProtocolViolation('4.8.0-1', `packet type ${type} is not for a server`, REASON.protocolError)
  if (type === PUBLISH) {
    if ((flags & 0x06) === 0x06) throw new ProtocolViolation('3.3.1-4', 'QoS 3')
    if ((flags & 0x0e) === 0x08) throw new ProtocolViolation('3.3.1-2', 'DUP with QoS 0')
    return type
  }
  const required = type === PUBREL || type === SUBSCRIBE || type === UNSUBSCRIBE ? 0x02 : 0
  if (flags !== required) throw new ProtocolViolation('2.2.2-2', `invalid flags of packet type ${type}`)
  return type
}

/** What the broker needs of a validated packet. */
export interface Validated {
  /** Of a CONNECT: the protocol level. */
  version?: number
  /** Of a CONNECT of MQTT 5: the session expiry interval [s]. */
  sessionExpiry?: number
  /** Of a PUBLISH, and of the last will of a CONNECT, of MQTT 5. */
  message?: MessageProperties
}

/** What was known of the connection before the packet. */
export interface Connection {
  version: number
  sessionExpiry: number
}

/** Validates variable header and payload of a packet; of a PUBLISH the variable header alone. Throws {@link ProtocolViolation}. */
export function validateBody(type: number, first: number, bytes: Buffer, connection: Connection): Validated {
  const body = new PacketBody(bytes)
  const validated = BODIES[type]?.(body, first, connection) ?? {}
  body.end()
  return validated
}

/** Most bytes of the properties of a PUBLISH: they are buffered, unlike its payload. */
const MAX_PROPERTIES_BYTES = 64 * 1024

/**
 * Length of the variable header of a PUBLISH [bytes]; undefined while the bytes that say so are missing. Infinity: its
 * properties are too large.
 */
export function publishHeaderLength(first: number, start: Buffer, version: number): number | undefined {
  if (start.length < 2) return undefined
  const length = 2 + start.readUInt16BE() + ((first & 0x06) === 0 ? 0 : 2)
  if (version < MQTT_5) return length
  let properties = 0
  for (let i = 0; i < 4; i++) {
    const byte = start[length + i]
    if (byte === undefined) return undefined
    properties += (byte & 0x7f) * 128 ** i
    if (byte & 0x80) continue
    return properties > MAX_PROPERTIES_BYTES ? Number.POSITIVE_INFINITY : length + i + 1 + properties
  }
  return length + 4 // invalid: validateBody throws
}

type Validator = (body: PacketBody, first: number, connection: Connection) => Validated | undefined

const BODIES: Readonly<Record<number, Validator>> = {
  [CONNECT]: validateConnect,
  [PUBLISH]: validatePublish,
  [PUBACK]: acknowledgment([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
  [PUBREC]: acknowledgment([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
  [PUBREL]: acknowledgment([0x00, 0x92]),
  [PUBCOMP]: acknowledgment([0x00, 0x92]),
  [SUBSCRIBE]: validateSubscribe,
  [UNSUBSCRIBE]: validateUnsubscribe,
  [PINGREQ]: () => undefined,
  [DISCONNECT]: validateDisconnect,
  [AUTH](_body, _first, { version }) {
    // enhanced authentication is refused in the CONNECT
    throw new ProtocolViolation(
      '4.12.0-1',
      'AUTH',
      version === MQTT_5 ? REASON.protocolError : REASON.malformed,
    )
  },
}

function validateConnect(body: PacketBody): Validated {
  const name = body.string()
  const known = LEVELS[name]
  if (known === undefined)
    throw new ProtocolViolation('3.1.2-1', 'unknown protocol name', REASON.unsupportedVersion)
  const version = body.byte() & ~BRIDGE_BIT
  if (!known.includes(version)) {
    throw new ProtocolViolation(
      '3.1.2-2',
      `protocol level ${version}`,
      REASON.unsupportedVersion,
      UNACCEPTABLE_VERSION,
    )
  }
  try {
    return validateConnectBody(body, version)
  } catch (err) {
    if (err instanceof ProtocolViolation && version === MQTT_5) err.connackVersion = MQTT_5
    throw err
  }
}

function validateConnectBody(body: PacketBody, version: number): Validated {
  const flags = body.byte()
  validateConnectFlags(flags, version)
  body.uint16() // keep alive
  const sessionExpiry = version === MQTT_5 ? readSessionExpiry(body) : 0
  const clientId = body.string()
  const message = flags & WILL ? readWill(body, version) : undefined
  if (flags & USER_NAME) body.string()
  if (flags & PASSWORD) body.binary()
  body.end()
  // only a CONNECT that is valid otherwise gets a CONNACK [MQTT-3.1.4-1]
  const needsId = version === MQTT_3_1 || (version < MQTT_5 && (flags & CLEAN_SESSION) === 0)
  if (clientId === '' && needsId) {
    throw new ProtocolViolation(
      '3.1.3-8',
      'empty client id without clean session',
      REASON.identifier,
      IDENTIFIER_REJECTED,
    )
  }
  return { version, sessionExpiry, ...(message ? { message } : {}) }
}

function readSessionExpiry(body: PacketBody): number {
  const { numbers, present } = readProperties(body, ALLOWED.connect)
  if (present.has(PROPERTY.authenticationData) && !present.has(PROPERTY.authenticationMethod)) {
    throw new ProtocolViolation('3.1.2', 'authentication data without a method', REASON.protocolError)
  }
  return numbers.get(PROPERTY.sessionExpiry) ?? 0
}

/** Returns the properties of the last will of MQTT 5. */
function readWill(body: PacketBody, version: number): MessageProperties | undefined {
  const message = version === MQTT_5 ? readProperties(body, ALLOWED.will).message : undefined
  if (!isTopicName(body.string()))
    throw new ProtocolViolation('3.1.3-10', 'invalid topic of the last will', REASON.topicNameInvalid)
  body.binary()
  return message
}

function validateConnectFlags(flags: number, version: number): void {
  const willQos = (flags >> 3) & 0x03
  if (flags & 0x01) throw new ProtocolViolation('3.1.2-3', 'reserved connect flag')
  if (willQos === 3) throw new ProtocolViolation('3.1.2-14', 'last will of QoS 3')
  if (!(flags & WILL) && willQos > 0)
    throw new ProtocolViolation('3.1.2-13', 'QoS of a last will without one')
  if (!(flags & WILL) && flags & WILL_RETAIN) {
    throw new ProtocolViolation('3.1.2-15', 'retain flag of a last will without one')
  }
  if (version < MQTT_5 && !(flags & USER_NAME) && flags & PASSWORD) {
    throw new ProtocolViolation('3.1.2-22', 'password without a user name')
  }
}

function validatePublish(body: PacketBody, first: number, { version }: Connection): Validated {
  const topic = body.string()
  if (version < MQTT_5) {
    requireTopicName(topic)
    if (first & 0x06) body.packetId()
    return {}
  }
  if (topic !== '') requireTopicName(topic)
  if (first & 0x06) body.packetId()
  const { present, message } = readProperties(body, ALLOWED.publish)
  if (present.has(PROPERTY.topicAlias)) {
    // the CONNACK has no Topic Alias Maximum
    throw new ProtocolViolation('3.3.2-9', 'topic alias', REASON.topicAliasInvalid)
  }
  if (topic === '') throw new ProtocolViolation('4.7.3-1', 'empty topic name', REASON.protocolError)
  return { message }
}

function requireTopicName(topic: string): void {
  if (topic === '') throw new ProtocolViolation('4.7.3-1', 'empty topic name', REASON.topicNameInvalid)
  if (!isTopicName(topic))
    throw new ProtocolViolation('3.3.2-2', 'wildcard in a topic name', REASON.topicNameInvalid)
}

/** PUBACK, PUBREC, PUBREL and PUBCOMP. */
function acknowledgment(reasons: readonly number[]): Validator {
  return (body, _first, { version }) => {
    body.packetId()
    if (version < MQTT_5 || body.isAtEnd) return undefined
    if (!reasons.includes(body.byte())) throw malformed('2.4', 'invalid reason code of an acknowledgment')
    if (!body.isAtEnd) readProperties(body, ALLOWED.ack)
    return undefined
  }
}

const NO_LOCAL = 0x04
const SHARED = '$share/'

function validateSubscribe(body: PacketBody, _first: number, { version }: Connection): undefined {
  body.packetId()
  if (version === MQTT_5) readProperties(body, ALLOWED.subscribe)
  if (body.isAtEnd) throw new ProtocolViolation('3.8.3-3', 'SUBSCRIBE without a filter', REASON.protocolError)
  for (let count = 0; !body.isAtEnd; count++) {
    const filter = body.string()
    validateFilter(filter, count)
    validateOptions(body.byte(), filter, version)
  }
}

function validateOptions(options: number, filter: string, version: number): void {
  const isInvalid =
    version < MQTT_5
      ? options > 2
      : (options & 0xc0) !== 0 || (options & 0x03) === 3 || (options & 0x30) === 0x30
  if (isInvalid)
    throw new ProtocolViolation('3.8.3-4', 'invalid options of a subscription', REASON.protocolError)
  if (version === MQTT_5 && options & NO_LOCAL && filter.startsWith(SHARED)) {
    throw new ProtocolViolation('3.8.3-4', 'no local of a shared subscription', REASON.protocolError)
  }
}

function validateUnsubscribe(body: PacketBody, _first: number, { version }: Connection): undefined {
  body.packetId()
  if (version === MQTT_5) readProperties(body, ALLOWED.unsubscribe)
  if (body.isAtEnd)
    throw new ProtocolViolation('3.10.3-2', 'UNSUBSCRIBE without a filter', REASON.protocolError)
  for (let count = 0; !body.isAtEnd; count++) validateFilter(body.string(), count)
}

/** `count`: filters of the packet before this one. */
function validateFilter(filter: string, count: number): void {
  if (count >= MAX_SUBSCRIPTIONS) {
    throw new ProtocolViolation('3.8.3', `more than ${count} filters in one packet`, REASON.quotaExceeded)
  }
  if (filter === '') throw new ProtocolViolation('4.7.3-1', 'empty topic filter', REASON.topicFilterInvalid)
  if (!isFilter(filter)) {
    throw new ProtocolViolation('4.7.1', 'invalid wildcard in a topic filter', REASON.topicFilterInvalid)
  }
}

/** Reason codes of a DISCONNECT by a client, §3.14.2.1. */
const DISCONNECT_REASONS = [0, 4, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]

function validateDisconnect(body: PacketBody, _first: number, connection: Connection): undefined {
  if (connection.version < MQTT_5 || body.isAtEnd) return
  if (!DISCONNECT_REASONS.includes(body.byte())) throw malformed('2.4', 'invalid reason code of a DISCONNECT')
  if (body.isAtEnd) return
  const { numbers } = readProperties(body, ALLOWED.disconnect)
  if ((numbers.get(PROPERTY.sessionExpiry) ?? 0) > 0 && connection.sessionExpiry === 0) {
    throw new ProtocolViolation('3.14.2', 'session expiry of a session without one', REASON.protocolError)
  }
}
