/** Record header: type, version, epoch, sequence number, length. RFC 6347 §4.1. */
export const RECORD_HEADER = 13
/** Handshake header: type, length, message_seq, fragment_offset, fragment_length. RFC 6347 §4.2.2. */
const MESSAGE_HEADER = 12
const CLIENT_HELLO = 1
const CERTIFICATE = 11
const CERTIFICATE_VERIFY = 15
const CLIENT_KEY_EXCHANGE = 16

/** A certificate has some KB. */
const MAX_MESSAGE_BYTES = 16 * 1024
/** Messages that wait for an earlier one; a flight has six at most. */
const MAX_WAITING = 8
/** Fragments of one message. */
const MAX_FRAGMENTS = 64
/** Protected records that wait for the keys. */
const MAX_PROTECTED = 8

interface Fragment {
  type: number
  messageLength: number
  seq: number
  offset: number
  body: Buffer
}

/** A message of which some fragments have arrived. */
interface Partial {
  type: number
  body: Buffer
  fragments: { offset: number; end: number }[]
}

/**
 * Gives werift each message of a handshake once, whole and in its order (RFC 6347 §4.2.2). werift 0.25.2 (dtls/server.js,
 * dtls/client.js) handles messages as they arrive: one that was repeated or overtaken changes the transcript or the keys,
 * after which the handshake never ends. A repeated ClientHello is given again, since it asks for the answer to be repeated
 * (RFC 6347 §4.2.4).
 */
export class HandshakeMessages {
  #next = 0
  readonly #partial = new Map<number, Partial>()
  readonly #delivered = new Set<number>()
  #lastHello: Buffer | undefined
  #protected: Buffer[] = []

  /** The records for werift after `record`, a handshake record without protection, has arrived. */
  accept(record: Buffer): Buffer[] {
    const ready: Buffer[] = []
    for (const fragment of fragmentsOf(record)) {
      if (fragment.seq >= this.#next) this.#add(fragment)
      else if (this.#isRepeatedHello(fragment) && this.#lastHello) ready.push(this.#lastHello)
      for (let body = this.#take(); body; body = this.#take()) ready.push(body)
    }
    return this.#hasKeys ? [...ready, ...this.#protected.splice(0)] : ready
  }

  /** The records for werift after `record`, a protected handshake record, has arrived. */
  acceptProtected(record: Buffer): Buffer[] {
    if (this.#hasKeys) return [record]
    if (this.#protected.length < MAX_PROTECTED) this.#protected.push(record)
    return []
  }

  /** A server derives its keys from the ClientKeyExchange, and checks the signature before it reads the Finished message. */
  get #hasKeys(): boolean {
    const has = (type: number) => this.#delivered.has(type)
    if (!has(CLIENT_HELLO)) return true
    return has(CLIENT_KEY_EXCHANGE) && (has(CERTIFICATE_VERIFY) || !has(CERTIFICATE))
  }

  /** Its last fragment: a ClientHello in several is answered once. */
  #isRepeatedHello({ type, seq, offset, body, messageLength }: Fragment): boolean {
    return type === CLIENT_HELLO && seq === this.#next - 1 && offset + body.length === messageLength
  }

  #add({ type, messageLength, seq, offset, body }: Fragment): void {
    if (seq >= this.#next + MAX_WAITING) return
    let partial = this.#partial.get(seq)
    if (partial?.type !== type || partial.body.length !== messageLength) {
      partial = { type, body: Buffer.alloc(messageLength), fragments: [] }
      this.#partial.set(seq, partial)
    }
    if (partial.fragments.length >= MAX_FRAGMENTS) return
    body.copy(partial.body, offset)
    partial.fragments.push({ offset, end: offset + body.length })
  }

  /** The next message, when it is whole, as a record of its own. */
  #take(): Buffer | undefined {
    const seq = this.#next
    const partial = this.#partial.get(seq)
    if (!partial || !isWhole(partial)) return undefined
    this.#partial.delete(seq)
    this.#next++
    this.#delivered.add(partial.type)
    const record = toRecord(partial, seq)
    this.#lastHello = partial.type === CLIENT_HELLO ? record : undefined
    return record
  }
}

function* fragmentsOf(record: Buffer): Generator<Fragment> {
  for (let at = RECORD_HEADER; at + MESSAGE_HEADER <= record.length; ) {
    const [messageLength, offset, length] = [at + 1, at + 6, at + 9].map((i) => record.readUIntBE(i, 3)) as [
      number,
      number,
      number,
    ]
    const body = record.subarray(at + MESSAGE_HEADER, at + MESSAGE_HEADER + length)
    if (body.length < length || offset + length > messageLength || messageLength > MAX_MESSAGE_BYTES) return
    yield { type: record.readUInt8(at), messageLength, seq: record.readUInt16BE(at + 4), offset, body }
    at += MESSAGE_HEADER + length
  }
}

function isWhole({ body, fragments }: Partial): boolean {
  let covered = 0
  for (const { offset, end } of fragments.toSorted((a, b) => a.offset - b.offset)) {
    if (offset > covered) return false
    covered = Math.max(covered, end)
  }
  return fragments.length > 0 && covered === body.length
}

/** The record number is that of the message: werift does not look at it. */
function toRecord({ type, body }: Partial, seq: number): Buffer {
  const header = Buffer.alloc(RECORD_HEADER + MESSAGE_HEADER)
  header.set([22, 254, 253])
  header.writeUIntBE(seq, 5, 6)
  header.writeUInt16BE(MESSAGE_HEADER + body.length, 11)
  header.writeUInt8(type, RECORD_HEADER)
  header.writeUIntBE(body.length, RECORD_HEADER + 1, 3)
  header.writeUInt16BE(seq, RECORD_HEADER + 4)
  header.writeUIntBE(body.length, RECORD_HEADER + 9, 3)
  return Buffer.concat([header, body])
}
