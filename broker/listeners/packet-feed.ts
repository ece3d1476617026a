import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Client } from 'aedes'
import type { InputScheduler } from '../limits/input-scheduler.ts'
import { ProtocolViolation } from '../protocol/packet-body.ts'
import { type PacketPolicy, PacketReader, PacketRejected } from '../protocol/packet-reader.ts'
import { changesSubscriptions, isCostly, MQTT_5 } from '../protocol/packets.ts'
import type { MessageProperties } from '../protocol/properties.ts'

/** Packets of one connection in one turn. */
const PACKETS_PER_TURN = 8
/** Bytes of one connection in one turn. */
const BYTES_PER_TURN = 64 * 1024

/** Members of an Aedes client that its typings lack. */
interface FedClient {
  _parser: EventEmitter & { parse(bytes: Buffer): void }
  /** Called when a packet is processed. */
  _nextBatch(err?: Error): void
  /** Packets handed over; Aedes processes the first before the login, the others after it. */
  _parsingBatch: number
}

interface FeedDeps {
  scheduler: InputScheduler
  policy: PacketPolicy
  isAnonymous(): boolean
  /** The connection violates MQTT or a limit: nothing more is read. `version`: of its CONNECT, 0 before it. */
  onProblem(problem: ProtocolViolation | PacketRejected, version: number): void
}

/**
 * Reads a connection in place of Aedes, which processes all packets of a socket buffer at once: a few packets in each turn
 * that the scheduler gives, validated before Aedes parses them. Nothing invalid is stored or forwarded; Aedes's parser
 * accepts packets that would disconnect their subscribers.
 */
export function feedPackets(client: Client, stream: Duplex, deps: FeedDeps): void {
  const { scheduler, policy, isAnonymous, onProblem } = deps
  const fed = client as Client & FedClient
  const packets = new TurnReader(stream, policy)
  let isStopped = false
  useOwnProperties(fed, packets)
  const readTurn = (): boolean => {
    const { bytes, count, isOrdered, problem } = packets.readTurn()
    if (problem) {
      isStopped = true
      onProblem(problem, packets.version)
      return false
    }
    for (let i = 0; i < count; i++) input.begin()
    if (isOrdered) input.block()
    if (bytes.length > 0) fed._parser.parse(bytes)
    return stream.readableLength > 0
  }
  const input = scheduler.add({ isAnonymous, readTurn })
  stream.off('readable', fed._nextBatch)
  stream.on('readable', () => {
    // at its end, the stream emits `end` only when it is read
    if (stream.readableLength === 0) stream.read(0)
    else if (!isStopped) input.request()
  })
  fed._parsingBatch = 0
  fed._nextBatch = (err) => {
    if (err) client.emit('error', err)
    else input.done()
  }
  stream.once('close', () => input.close())
}

interface ParsedPacket {
  cmd: string
  properties?: object
  will?: { properties?: object }
}

/** Replaces the properties of messages of MQTT 5: mqtt-packet changes the order of user properties. */
function useOwnProperties(fed: FedClient, packets: TurnReader): void {
  // before Aedes's own listener
  fed._parser.prependListener('packet', (packet: ParsedPacket) => {
    const target = packet.cmd === 'publish' ? packet : packet.cmd === 'connect' ? packet.will : undefined
    const properties = target && packets.version === MQTT_5 ? packets.messages.shift() : undefined
    if (target && properties) target.properties = properties
  })
}

interface Turn {
  bytes: Buffer
  /** Packets that end in `bytes`. */
  count: number
  /** Aedes would process the next packets at the same time: an UNSUBSCRIBE would overtake the SUBSCRIBE. */
  isOrdered: boolean
  problem?: ProtocolViolation | PacketRejected
}

/** Reads a few whole packets at a time, or a part of a large one, and validates them. */
class TurnReader {
  /** Properties of the validated messages that Aedes has not parsed yet. */
  readonly messages: MessageProperties[] = []
  readonly #stream: Duplex
  readonly #reader: PacketReader
  #ended = 0

  constructor(stream: Duplex, policy: PacketPolicy) {
    this.#stream = stream
    const onEnd = () => {
      this.#ended++
      policy.onEnd()
    }
    const onMessage = (properties: MessageProperties) => void this.messages.push(properties)
    this.#reader = new PacketReader({ ...policy, onEnd, onMessage })
  }

  get version(): number {
    return this.#reader.version
  }

  readTurn(): Turn {
    const pieces: Buffer[] = []
    let bytes = 0
    this.#ended = 0
    try {
      while (!this.#isOver(bytes)) {
        const chunk: Buffer | null = this.#stream.read(
          Math.min(this.#reader.missing, this.#stream.readableLength),
        )
        if (chunk === null) break
        this.#reader.read(chunk)
        pieces.push(chunk)
        bytes += chunk.length
      }
    } catch (err) {
      if (!(err instanceof PacketRejected || err instanceof ProtocolViolation)) throw err
      return { bytes: Buffer.alloc(0), count: 0, isOrdered: false, problem: err }
    }
    const isOrdered = this.#ended > 0 && changesSubscriptions(this.#reader.type)
    return { bytes: Buffer.concat(pieces, bytes), count: this.#ended, isOrdered }
  }

  #isOver(bytes: number): boolean {
    if (this.#reader.isDisconnected || bytes >= BYTES_PER_TURN || this.#ended >= PACKETS_PER_TURN) return true
    return this.#ended > 0 && isCostly(this.#reader.type)
  }
}
