import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setPeer } from '../auth/peer-address.ts'
import { type Broker, STREAM_HIGH_WATER_MARK } from '../broker.ts'
import { limitPacketSizes } from '../limits/packet-size-limiter.ts'

/** An accepted connection of any listener, before the CONNECT. */
export interface Incoming {
  /** The MQTT byte stream. */
  stream: Duplex
  /** The TCP or TLS socket below the stream; the stream itself without WebSocket. */
  socket: Socket
  address: string
  /** Needs no user name. */
  local: boolean
}

/** Largest packet before the login: a CONNECT with a last will. */
const MAX_BYTES_BEFORE_LOGIN = 64 * 1024
/** Input of a client that is read ahead of processing. */
const READ_AHEAD_BYTES = 64 * 1024

/** Hands the connection to Aedes, with the limits on its packets and buffers. */
export function serveConnection(mqtt: Broker, incoming: Incoming, maxBytes: number): void {
  const { stream, socket, address, local } = incoming
  setHighWaterMarks(stream, { read: READ_AHEAD_BYTES, write: STREAM_HIGH_WATER_MARK })
  setPeer(stream, { address, local })
  const { traffic, counters } = mqtt
  const client = mqtt.aedes.handle(stream)
  const isAccepted = () => client.connected
  const onTooLarge = () => counters.count('packets_too_large')
  limitPacketSizes(stream, {
    maxBytes,
    maxBytesBeforeLogin: Math.min(maxBytes, MAX_BYTES_BEFORE_LOGIN),
    isAccepted,
    onPacket: (type, qos) => traffic.packet(type, qos),
    onTooLarge,
  })
  if (stream !== socket) {
    limitBytesBeforeLogin(socket, isAccepted, () => {
      onTooLarge()
      socket.destroy()
    })
  }
  traffic.follow(socket)
}

/** Calls `onTooMuch` if a client that is not accepted sends too much: a WebSocket buffers a whole frame before it emits it. */
function limitBytesBeforeLogin(socket: Socket, isAccepted: () => boolean, onTooMuch: () => void): void {
  let bytes = 0
  const count = (chunk: Buffer) => {
    bytes += chunk.length
    if (!isAccepted() && bytes <= 2 * MAX_BYTES_BEFORE_LOGIN) return
    socket.off('data', count)
    if (!isAccepted()) onTooMuch()
  }
  socket.on('data', count)
}

type StreamStates = Duplex & {
  _readableState: { highWaterMark: number }
  _writableState: { highWaterMark: number }
}

/**
 * Sets the buffer limits of a stream. Node sets both directions of a socket to the same value and has no API to set them
 * apart: output must never wait for a drain (see limits/backpressure.ts), but input must, or a thousand clients would
 * fill the memory.
 */
function setHighWaterMarks(stream: Duplex, { read, write }: { read: number; write: number }): void {
  const { _readableState, _writableState } = stream as StreamStates
  _readableState.highWaterMark = read
  _writableState.highWaterMark = write
}
