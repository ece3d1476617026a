import { PacketBody, ProtocolViolation } from './packet-body.ts'
import { isFilter, isTopicName } from './topics.ts'

/** Control packet types that a client sends, MQTT 3.1.1 §2.2.1. */
export const CONNECT = 1
export const PUBLISH = 3
const PUBACK = 4
const PUBREC = 5
const PUBREL = 6
const PUBCOMP = 7
const SUBSCRIBE = 8
const UNSUBSCRIBE = 10
const PINGREQ = 12
const DISCONNECT = 14

/** Return codes of a CONNACK, §3.2.2.3. */
const UNACCEPTABLE_VERSION = 1
const IDENTIFIER_REJECTED = 2

/** Subscriptions of one client, so also filters of one packet. */
export const MAX_SUBSCRIPTIONS = 500

/** Protocol levels by name: MQTT 3.1 and 3.1.1. */
const LEVELS: Readonly<Record<string, number>> = { MQIsdp: 3, MQTT: 4 }
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
  if (!(type in BODIES)) throw new ProtocolViolation('4.8.0-1', `packet type ${type} is not for a server`)
  if (type === PUBLISH) {
    if ((flags & 0x06) === 0x06) throw new ProtocolViolation('3.3.1-4', 'QoS 3')
    if ((flags & 0x0e) === 0x08) throw new ProtocolViolation('3.3.1-2', 'DUP with QoS 0')
    return type
  }
  const required = type === PUBREL || type === SUBSCRIBE || type === UNSUBSCRIBE ? 0x02 : 0
  if (flags !== required) throw new ProtocolViolation('2.2.2-2', `invalid flags of packet type ${type}`)
  return type
}

/** Validates variable header and payload of a packet; of a PUBLISH the variable header alone. Throws {@link ProtocolViolation}. */
export function validateBody(type: number, first: number, bytes: Buffer): void {
  const body = new PacketBody(bytes)
  BODIES[type]?.(body, first)
  body.end()
}

/** Length of the variable header of a PUBLISH [bytes]; undefined while its first two bytes are missing. */
export function publishHeaderLength(first: number, start: Buffer): number | undefined {
  if (start.length < 2) return undefined
  return 2 + start.readUInt16BE() + ((first & 0x06) === 0 ? 0 : 2)
}

const BODIES: Readonly<Record<number, (body: PacketBody, first: number) => void>> = {
  [CONNECT]: validateConnect,
  [PUBLISH]: validatePublish,
  [PUBACK]: (body) => void body.packetId(),
  [PUBREC]: (body) => void body.packetId(),
  [PUBREL]: (body) => void body.packetId(),
  [PUBCOMP]: (body) => void body.packetId(),
  [SUBSCRIBE]: validateSubscribe,
  [UNSUBSCRIBE]: validateUnsubscribe,
  [PINGREQ]: () => {},
  [DISCONNECT]: () => {},
}

function validateConnect(body: PacketBody): void {
  const name = body.string()
  const known = LEVELS[name]
  if (known === undefined) throw new ProtocolViolation('3.1.2-1', 'unknown protocol name')
  const level = body.byte() & ~BRIDGE_BIT
  if (level !== known) throw new ProtocolViolation('3.1.2-2', `protocol level ${level}`, UNACCEPTABLE_VERSION)
  const flags = body.byte()
  validateConnectFlags(flags)
  body.uint16() // keep alive
  const clientId = body.string()
  if (flags & WILL) {
    if (!isTopicName(body.string())) throw new ProtocolViolation('3.1.3-10', 'invalid topic of the last will')
    body.binary()
  }
  if (flags & USER_NAME) body.string()
  if (flags & PASSWORD) body.binary()
  body.end()
  // only a CONNECT that is valid otherwise gets a CONNACK [MQTT-3.1.4-1]
  if (clientId === '' && (level === LEVELS.MQIsdp || (flags & CLEAN_SESSION) === 0)) {
    throw new ProtocolViolation('3.1.3-8', 'empty client id without clean session', IDENTIFIER_REJECTED)
  }
}

function validateConnectFlags(flags: number): void {
  const willQos = (flags >> 3) & 0x03
  if (flags & 0x01) throw new ProtocolViolation('3.1.2-3', 'reserved connect flag')
  if (willQos === 3) throw new ProtocolViolation('3.1.2-14', 'last will of QoS 3')
  if (!(flags & WILL) && willQos > 0)
    throw new ProtocolViolation('3.1.2-13', 'QoS of a last will without one')
  if (!(flags & WILL) && flags & WILL_RETAIN) {
    throw new ProtocolViolation('3.1.2-15', 'retain flag of a last will without one')
  }
  if (!(flags & USER_NAME) && flags & PASSWORD) {
    throw new ProtocolViolation('3.1.2-22', 'password without a user name')
  }
}

function validatePublish(body: PacketBody, first: number): void {
  const topic = body.string()
  if (topic === '') throw new ProtocolViolation('4.7.3-1', 'empty topic name')
  if (!isTopicName(topic)) throw new ProtocolViolation('3.3.2-2', 'wildcard in a topic name')
  if (first & 0x06) body.packetId()
}

function validateSubscribe(body: PacketBody): void {
  body.packetId()
  if (body.isAtEnd) throw new ProtocolViolation('3.8.3-3', 'SUBSCRIBE without a filter')
  for (let count = 0; !body.isAtEnd; count++) {
    validateFilter(body.string(), count)
    if (body.byte() > 2) throw new ProtocolViolation('3.8.3-4', 'invalid requested QoS')
  }
}

function validateUnsubscribe(body: PacketBody): void {
  body.packetId()
  if (body.isAtEnd) throw new ProtocolViolation('3.10.3-2', 'UNSUBSCRIBE without a filter')
  for (let count = 0; !body.isAtEnd; count++) validateFilter(body.string(), count)
}

/** `count`: filters of the packet before this one. */
function validateFilter(filter: string, count: number): void {
  if (count >= MAX_SUBSCRIPTIONS)
    throw new ProtocolViolation('3.8.3', `more than ${count} filters in one packet`)
  if (filter === '') throw new ProtocolViolation('4.7.3-1', 'empty topic filter')
  if (!isFilter(filter)) throw new ProtocolViolation('4.7.1', 'invalid wildcard in a topic filter')
}
