import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setPeer } from '../auth/peer-address.ts'
import { type Broker, STREAM_HIGH_WATER_MARK } from '../broker.ts'
import type { Occupant } from '../limits/connection-limiter.ts'
import type { InputScheduler } from '../limits/input-scheduler.ts'
import type { LargePackets } from '../limits/large-packets.ts'
import { disconnectPacket, ProtocolViolation, REASON } from '../protocol/packet-body.ts'
import type { PacketRejected } from '../protocol/packet-reader.ts'
import { MQTT_5, PUBLISH } from '../protocol/packets.ts'
import { feedPackets } from './packet-feed.ts'

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

/** Largest packet before the login, such as a CONNECT with a last will, and of any type but PUBLISH [bytes]. */
const MAX_SMALL_BYTES = 64 * 1024
/** Input of a client that is read ahead of processing. */
const READ_AHEAD_BYTES = 64 * 1024

export interface ConnectionDeps {
  mqtt: Broker
  /** Largest PUBLISH [bytes]. */
  maxBytes: number
  largePackets: LargePackets
  scheduler: InputScheduler
}

const standings = new WeakMap<Socket, Occupant['standing']>()

/** Of a socket that is served; one in a TLS handshake, or below TLS, counts as a user's. */
export function standingOf(socket: Socket): ReturnType<Occupant['standing']> {
  return standings.get(socket)?.() ?? 'user'
}

/** Hands the connection to Aedes, with limits on its buffers, and validates what it reads. */
export function serveConnection(incoming: Incoming, deps: ConnectionDeps): void {
  const { mqtt, maxBytes, largePackets, scheduler } = deps
  const { stream, socket, address, local } = incoming
  setHighWaterMarks(stream, { read: READ_AHEAD_BYTES, write: STREAM_HIGH_WATER_MARK })
  setPeer(stream, { address, local })
  const { traffic, counters } = mqtt
  const client = mqtt.aedes.handle(stream)
  const isAccepted = () => client.connected
  const isAnonymous = () => mqtt.isAnonymous(client)
  standings.set(socket, () => (isAccepted() ? (isAnonymous() ? 'anonymous' : 'user') : 'new'))
  const onTooLarge = () => counters.count('packets_too_large')
  const large = largePackets.track(() => stream.destroy(new Error('packet incomplete after 60 s')))
  stream.once('close', () => large.end())
  feedPackets(client, stream, {
    scheduler,
    isAnonymous,
    onProblem(problem, version) {
      if (problem instanceof ProtocolViolation) mqtt.reportViolation(client, problem)
      else onTooLarge()
      reject(stream, problem, isAccepted() ? version : 0)
    },
    policy: {
      accepts(type, length) {
        // only a PUBLISH may be large: a SUBSCRIBE of megabytes would occupy the broker for seconds
        const isLarge = isAccepted() && type === PUBLISH
        if (length > (isLarge ? maxBytes : Math.min(maxBytes, MAX_SMALL_BYTES))) return false
        return large.begin(length, isAnonymous())
      },
      onPacket: (type, qos) => traffic.packet(type, qos),
      onEnd: () => large.end(),
    },
  })
  if (stream !== socket) {
    limitBytesBeforeLogin(socket, isAccepted, () => {
      onTooLarge()
      socket.destroy()
    })
  }
  traffic.follow(socket)
}

/** Closes the connection, after a CONNACK or DISCONNECT where the version has one for it [MQTT-3.1.2-2, 3.1.3-8, 5.0 4.13.1-1]. */
function reject(stream: Duplex, problem: ProtocolViolation | PacketRejected, version: number): void {
  const farewell = farewellOf(problem, version)
  // end() of a WebSocket stream would wait for the peer's close frame, which is behind data that is no longer read
  if (farewell === undefined) stream.destroy()
  else stream.write(farewell, () => stream.destroy())
}

function farewellOf(problem: ProtocolViolation | PacketRejected, version: number): Buffer | undefined {
  const reason = problem instanceof ProtocolViolation ? problem.reason : REASON.packetTooLarge
  if (version === MQTT_5) return disconnectPacket(reason)
  if (!(problem instanceof ProtocolViolation)) return undefined
  if (problem.connackVersion === MQTT_5) return Buffer.from([0x20, 3, 0, reason, 0])
  return problem.returnCode === undefined ? undefined : Buffer.from([0x20, 2, 0, problem.returnCode])
}

/** Calls `onTooMuch` if a client that is not accepted sends too much: a WebSocket buffers a whole frame before it emits it. */
function limitBytesBeforeLogin(socket: Socket, isAccepted: () => boolean, onTooMuch: () => void): void {
  let bytes = 0
  const count = (chunk: Buffer) => {
    bytes += chunk.length
    if (!isAccepted() && bytes <= 2 * MAX_SMALL_BYTES) return
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
