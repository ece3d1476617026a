import { DtlsSocket, type RTCDtlsTransport } from 'werift'
import { HandshakeMessages, RECORD_HEADER } from './handshake-messages.ts'

const CHANGE_CIPHER_SPEC = 20
const HANDSHAKE = 22
const APPLICATION_DATA = 23

/** Fragments of handshake messages that wait for the rest, and their total size: a certificate has some KB. */
const MAX_FRAGMENTS = 64
const MAX_HANDSHAKE_BYTES = 64 * 1024

/** Private members of werift's DtlsSocket. */
interface Socket {
  transport: { socket: { onData: (data: Buffer) => void } }
}

/**
 * Drops DTLS records that anyone could have sent. werift 0.25.2 (dtls/socket.js, `udpOnMessage`) accepts them from any
 * address and in any state: one ClientHello in plain text to the port of a connected session resets its keys, and one
 * alert, which is never decrypted, closes it. Once connected only records that have to decrypt pass; alerts never do: a
 * viewer that leaves says so over the relay, or is found silent. Messages of the handshake are put in order. Call it before
 * the transport starts.
 */
export function guardDtls(transport: RTCDtlsTransport): void {
  transport.onStateChange.once(() => {
    // `connecting` is announced just before werift creates its socket
    queueMicrotask(() => {
      const { dtls } = transport as unknown as { dtls?: Socket }
      // none when it was closed before it was started
      if (dtls) guardSocket(dtls, () => transport.state === 'connected')
    })
  })
}

/** The same for a socket of its own. */
export function guardSocket({ transport: { socket } }: Socket, isConnected: () => boolean): void {
  const receive = socket.onData
  const messages = new HandshakeMessages()
  socket.onData = (datagram) => {
    const connected = isConnected()
    const records = acceptedRecords(datagram, connected)
    const accepted = connected ? records : records.flatMap((record) => inOrder(messages, record))
    if (accepted.length > 0) receive(Buffer.concat(accepted))
  }
}

function inOrder(messages: HandshakeMessages, record: Buffer): Buffer[] {
  if (record.readUInt8(0) !== HANDSHAKE) return [record]
  return isProtected(record) ? messages.acceptProtected(record) : messages.accept(record)
}

/**
 * Ends a handshake that is not complete. werift 0.25.2 (dtls/flight/flight.js, `transmit`) repeats its messages for 33 s, also
 * after the transport is closed.
 */
export function endHandshake(transport: RTCDtlsTransport): void {
  const { dtls: socket } = transport as unknown as { dtls?: { dtls: object } }
  // every answer that `transmit` could wait for has arrived; werift sets the number when it begins, which may be later
  if (socket) Object.defineProperty(socket.dtls, 'flight', { get: () => Number.POSITIVE_INFINITY, set() {} })
}

/** The records of a datagram that werift may read. */
export function acceptedRecords(datagram: Buffer, isConnected: boolean): Buffer[] {
  const records: Buffer[] = []
  for (let at = 0; at + RECORD_HEADER <= datagram.length; ) {
    const record = datagram.subarray(at, at + RECORD_HEADER + datagram.readUInt16BE(at + 11))
    at += record.length
    if (isAccepted(record, isConnected)) records.push(record)
  }
  return records
}

function isAccepted(record: Buffer, isConnected: boolean): boolean {
  const type = record.readUInt8(0)
  if (type === HANDSHAKE) return isProtected(record) || !isConnected
  if (type === APPLICATION_DATA) return isProtected(record)
  return type === CHANGE_CIPHER_SPEC && !isConnected
}

/** Its epoch is not the first one. */
function isProtected(record: Buffer): boolean {
  return record.readUInt16BE(3) > 0
}

/** Private members of werift's DtlsSocket. */
interface SocketInternals {
  bufferFragmentedHandshakes: { fragment: Buffer }[]
}

type HandleFragments = (this: SocketInternals, messages: unknown[]) => unknown[]

/** Without a limit werift buffers the fragments of handshake messages that never end. */
const { handleFragmentHandshake } = DtlsSocket.prototype as unknown as Record<string, HandleFragments>
if (!handleFragmentHandshake) throw new Error('werift has changed: check whether this patch is still needed')
Object.assign(DtlsSocket.prototype, {
  handleFragmentHandshake(this: SocketInternals, messages: unknown[]) {
    const buffered = this.bufferFragmentedHandshakes
    const bytes = buffered.reduce((sum, { fragment }) => sum + fragment.length, 0)
    if (buffered.length >= MAX_FRAGMENTS || bytes > MAX_HANDSHAKE_BYTES) this.bufferFragmentedHandshakes = []
    return handleFragmentHandshake.call(this, messages)
  },
})
