import { malformed, type PacketBody, ProtocolViolation, REASON } from './packet-body.ts'

type Kind = 'flag' | 'uint16' | 'uint32' | 'positive' | 'string' | 'topic' | 'binary' | 'pair'

/** Identifiers of MQTT 5.0, §2.2.2.2, of the properties that a client sends. */
export const PROPERTY = {
  payloadFormat: 0x01,
  messageExpiry: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionIdentifier: 0x0b,
  sessionExpiry: 0x11,
  authenticationMethod: 0x15,
  authenticationData: 0x16,
  requestProblemInformation: 0x17,
  willDelay: 0x18,
  requestResponseInformation: 0x19,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  user: 0x26,
  maximumPacketSize: 0x27,
} as const

const KINDS: Readonly<Record<number, Kind>> = {
  [PROPERTY.payloadFormat]: 'flag',
  [PROPERTY.messageExpiry]: 'uint32',
  [PROPERTY.contentType]: 'string',
  [PROPERTY.responseTopic]: 'topic',
  [PROPERTY.correlationData]: 'binary',
  [PROPERTY.subscriptionIdentifier]: 'positive',
  [PROPERTY.sessionExpiry]: 'uint32',
  [PROPERTY.authenticationMethod]: 'string',
  [PROPERTY.authenticationData]: 'binary',
  [PROPERTY.requestProblemInformation]: 'flag',
  [PROPERTY.willDelay]: 'uint32',
  [PROPERTY.requestResponseInformation]: 'flag',
  [PROPERTY.reasonString]: 'string',
  [PROPERTY.receiveMaximum]: 'uint16',
  [PROPERTY.topicAliasMaximum]: 'uint16',
  [PROPERTY.topicAlias]: 'uint16',
  [PROPERTY.user]: 'pair',
  [PROPERTY.maximumPacketSize]: 'uint32',
}

const MESSAGE = [
  PROPERTY.payloadFormat,
  PROPERTY.messageExpiry,
  PROPERTY.contentType,
  PROPERTY.responseTopic,
  PROPERTY.correlationData,
  PROPERTY.user,
]

/** Properties that a client may send, by packet; `will` is a part of CONNECT. */
export const ALLOWED = {
  connect: new Set<number>([
    PROPERTY.sessionExpiry,
    PROPERTY.receiveMaximum,
    PROPERTY.maximumPacketSize,
    PROPERTY.topicAliasMaximum,
    PROPERTY.requestResponseInformation,
    PROPERTY.requestProblemInformation,
    PROPERTY.user,
    PROPERTY.authenticationMethod,
    PROPERTY.authenticationData,
  ]),
  will: new Set<number>([PROPERTY.willDelay, ...MESSAGE]),
  publish: new Set<number>([PROPERTY.topicAlias, ...MESSAGE]),
  subscribe: new Set<number>([PROPERTY.subscriptionIdentifier, PROPERTY.user]),
  unsubscribe: new Set<number>([PROPERTY.user]),
  ack: new Set<number>([PROPERTY.reasonString, PROPERTY.user]),
  disconnect: new Set<number>([PROPERTY.sessionExpiry, PROPERTY.reasonString, PROPERTY.user]),
}

/** Properties that must not be zero. */
const NOT_ZERO = new Set<number>([PROPERTY.receiveMaximum, PROPERTY.maximumPacketSize])

/** The properties of a message that its subscribers get. */
export interface MessageProperties {
  /** Seconds. */
  messageExpiryInterval?: number
  /** Will delay [s]. */
  willDelayInterval?: number
  /** All others as they arrived: a server passes them on unaltered and in their order [MQTT-3.3.2-17, 3.3.2-18]. */
  raw: Buffer
}

export interface Properties {
  numbers: ReadonlyMap<number, number>
  /** Identifiers of all properties. */
  present: ReadonlySet<number>
  message: MessageProperties
}

/** Reads properties with their length, §2.2.2. Throws {@link ProtocolViolation}. */
export function readProperties(body: PacketBody, allowed: ReadonlySet<number>): Properties {
  const numbers = new Map<number, number>()
  const present = new Set<number>()
  const forwarded: Buffer[] = []
  const own = body.part(body.variableInteger())
  while (!own.isAtEnd) {
    const start = own.position
    const id = own.variableInteger()
    const kind = kindOf(id, { allowed, present })
    present.add(id)
    const value = readValue(own, kind)
    if (value === 0 && NOT_ZERO.has(id)) throw protocolError(`property ${id} is 0`)
    if (value !== undefined) numbers.set(id, value)
    if (isForwarded(id)) forwarded.push(own.since(start))
  }
  return { numbers, present, message: messageProperties(numbers, forwarded) }
}

function kindOf(
  id: number,
  { allowed, present }: { allowed: ReadonlySet<number>; present: ReadonlySet<number> },
): Kind {
  const kind = KINDS[id]
  if (kind === undefined) throw malformed('2.2.2', `unknown property ${id}`)
  if (!allowed.has(id)) throw protocolError(`property ${id} in this packet`)
  if (present.has(id) && kind !== 'pair') throw protocolError(`property ${id} twice`)
  return kind
}

function messageProperties(numbers: ReadonlyMap<number, number>, forwarded: Buffer[]): MessageProperties {
  const expiry = numbers.get(PROPERTY.messageExpiry)
  const delay = numbers.get(PROPERTY.willDelay)
  return {
    ...(expiry === undefined ? {} : { messageExpiryInterval: expiry }),
    ...(delay === undefined ? {} : { willDelayInterval: delay }),
    raw: forwarded.length === 0 ? NO_BYTES : Buffer.concat(forwarded),
  }
}

function protocolError(message: string): ProtocolViolation {
  return new ProtocolViolation('2.2.2', message, REASON.protocolError)
}

const NO_BYTES = Buffer.alloc(0)

function isForwarded(id: number): boolean {
  return id !== PROPERTY.messageExpiry && MESSAGE.includes(id as (typeof MESSAGE)[number])
}

function readValue(body: PacketBody, kind: Kind): number | undefined {
  switch (kind) {
    case 'flag': {
      const value = body.byte()
      if (value > 1) throw protocolError('a flag that is not 0 or 1')
      return value
    }
    case 'uint16':
      return body.uint16()
    case 'uint32':
      return body.uint32()
    case 'positive': {
      const value = body.variableInteger()
      if (value === 0) throw protocolError('subscription identifier 0')
      return value
    }
    case 'binary':
      body.binary()
      return undefined
    case 'topic':
      body.topicName()
      return undefined
    case 'pair':
      body.string()
      body.string()
      return undefined
    case 'string':
      body.string()
      return undefined
  }
}
