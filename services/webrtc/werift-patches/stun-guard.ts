import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Connection, isStunMessage, parseMessage, type StunOverTurnProtocol, StunProtocol } from 'werift'

type Address = readonly [host: string, port: number]
type Protocol = StunProtocol | StunOverTurnProtocol

/** Private members of werift's ICE connection and protocols. */
interface Internals {
  ensureProtocol(protocol: Protocol): void
}
interface ProtocolInternals {
  /** Of {@link StunProtocol}. */
  datagramReceived(data: Buffer, from: Address): void
  /** Of {@link StunOverTurnProtocol}. */
  handleStunMessage(data: Buffer, from: Address): void
}
interface Transactions {
  transactions: Record<string, { integrityKey?: Buffer } | undefined>
}

/** Header and attribute header. RFC 8489 §5 and §14. */
const HEADER = 20
const ATTRIBUTE_HEADER = 4
const TYPE = { bindingRequest: 0x0001, bindingResponse: 0x0101 }
const USERNAME = 0x0006
const MESSAGE_INTEGRITY = 0x0008
const INTEGRITY_BYTES = 20
/** Browsers send seven. */
const MAX_ATTRIBUTES = 16
/** Addresses of one viewer that have passed a check. */
const MAX_ADDRESSES = 128

/**
 * Accepts connectivity checks with valid MESSAGE-INTEGRITY only (RFC 8445 §7.3), and anything else than STUN only from
 * addresses that passed a check. werift 0.25.2 (ice.js, `ensureProtocol`; stun/protocol.js, `datagramReceived`) verifies
 * neither: any address could change the roles, add candidates, and take part in the DTLS handshake.
 */
export function guardStun(connection: Connection): void {
  const internals = connection as unknown as Internals
  const ensureProtocol = internals.ensureProtocol.bind(connection)
  const verified = new Set<string>()
  internals.ensureProtocol = (protocol) => {
    ensureProtocol(protocol)
    const handler = protocol instanceof StunProtocol ? 'datagramReceived' : 'handleStunMessage'
    const { transactions } = (protocol instanceof StunProtocol
      ? protocol
      : protocol.turn) as unknown as Transactions
    const accepts = (data: Buffer, from: Address) => {
      const source = from.join(' ')
      if (!isStunMessage(data)) return verified.has(source)
      const isProof = isRequest(data) ? isCheck(data, connection) : isAnswer(data, transactions)
      if (isProof && verified.size < MAX_ADDRESSES) verified.add(source)
      // werift verifies responses itself; those of STUN servers have no integrity
      return isProof || !isRequest(data)
    }
    const hidden = protocol as unknown as ProtocolInternals
    const receive = hidden[handler].bind(protocol)
    hidden[handler] = (data, from) => {
      if (accepts(data, from)) receive(data, from)
    }
  }
}

/** Of any method: class bits 0. RFC 8489 §5. */
function isRequest(data: Buffer): boolean {
  return (data.readUInt16BE(0) & 0x0110) === 0
}

/** A connectivity check of a peer that knows our password. RFC 8445 §7.3. */
function isCheck(data: Buffer, connection: Connection): boolean {
  if (data.readUInt16BE(0) !== TYPE.bindingRequest) return false
  const attributes = stunAttributes(data)
  const user = attributes?.find(({ type }) => type === USERNAME)?.value.toString()
  const integrity = attributes?.find(({ type }) => type === MESSAGE_INTEGRITY)
  if (user === undefined || integrity?.value.length !== INTEGRITY_BYTES) return false
  const password = passwordOf(connection, user.slice(0, user.indexOf(':')))
  return password !== undefined && timingSafeEqual(integrity.value, integrityOf(data, integrity.at, password))
}

/** A response to a check of ours. */
function isAnswer(data: Buffer, transactions: Transactions['transactions']): boolean {
  if (data.readUInt16BE(0) !== TYPE.bindingResponse) return false
  const key = transactions[data.toString('hex', 8, HEADER)]?.integrityKey
  return key !== undefined && parseMessage(data, key) !== undefined
}

function passwordOf(
  { localUsername, localPassword, userHistory }: Connection,
  ufrag: string,
): string | undefined {
  if (ufrag === localUsername) return localPassword
  return Object.hasOwn(userHistory, ufrag) ? userHistory[ufrag] : undefined
}

/** MESSAGE-INTEGRITY at this offset, as it should be. RFC 8489 §14.5. */
function integrityOf(data: Buffer, at: number, password: string): Buffer {
  const covered = Buffer.from(data.subarray(0, at))
  covered.writeUInt16BE(at + ATTRIBUTE_HEADER + INTEGRITY_BYTES - HEADER, 2)
  return createHmac('sha1', password).update(covered).digest()
}

/** Undefined when the lengths do not fit, or when there are too many. RFC 8489 §14. */
function stunAttributes(data: Buffer): { type: number; at: number; value: Buffer }[] | undefined {
  const attributes: { type: number; at: number; value: Buffer }[] = []
  for (let at = HEADER; at < data.length; ) {
    if (at + ATTRIBUTE_HEADER > data.length || attributes.length >= MAX_ATTRIBUTES) return undefined
    const length = data.readUInt16BE(at + 2)
    const value = data.subarray(at + ATTRIBUTE_HEADER, at + ATTRIBUTE_HEADER + length)
    if (value.length < length) return undefined
    attributes.push({ type: data.readUInt16BE(at), at, value })
    at += ATTRIBUTE_HEADER + length + ((4 - (length % 4)) % 4)
  }
  return attributes
}
