import type { Socket } from 'node:net'
import type { Aedes, Client } from 'aedes'
import { VERSION } from '#lib/version.ts'

/** Counters of the traffic since the start. */
export class Traffic {
  readonly received = { messages: 0, publish: 0, publishBytes: 0 }
  readonly sent = { messages: 0, publish: 0, publishBytes: 0 }
  /** Peak number of connected clients. */
  maxClients = 0
  readonly #open = new Set<Socket>()
  #closed = { read: 0, written: 0 }

  /** Counts the bytes of this connection, including TLS and WebSocket overhead. */
  follow(socket: Socket): void {
    this.#open.add(socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      const { read, written } = this.#closed
      this.#closed = { read: read + socket.bytesRead, written: written + socket.bytesWritten }
    })
  }

  /** Bytes read and written on all connections. */
  get bytes(): { read: number; written: number } {
    let { read, written } = this.#closed
    for (const socket of this.#open) {
      read += socket.bytesRead
      written += socket.bytesWritten
    }
    return { read, written }
  }

  /** Counts a received packet by its type (MQTT 3.1.1 §2.2.1), and the response that most types get. */
  packet(type: number, qos: number): void {
    this.received.messages++
    const hasResponse = WITH_RESPONSE.has(type) || (type === PUBLISH && qos > 0)
    if (hasResponse) this.sent.messages++
  }

  published(payload: string | Buffer): void {
    this.received.publish++
    this.received.publishBytes += payload.length
  }

  forwarded(payload: string | Buffer): void {
    this.sent.messages++
    this.sent.publish++
    this.sent.publishBytes += payload.length
  }
}

const PUBLISH = 3
/** CONNECT, PUBREC, PUBREL, SUBSCRIBE, UNSUBSCRIBE, PINGREQ. */
const WITH_RESPONSE = new Set([1, 5, 6, 8, 10, 12])

/** Sources of the statistics. */
export interface Sources {
  aedes: Aedes
  traffic: Traffic
  totals: Readonly<Record<string, number>>
  retained: { messages: number; bytes: number }
  queued(): { messages: number; bytes: number }
  offlineSessions(): number
}

/** Values of `$SYS/broker/…` by topic, named as in Mosquitto (mosquitto(8), "Broker status"). `since` in ms, monotonic. */
export function statistics(sources: Sources, since: number): Record<string, string | number> {
  const { aedes, traffic, totals, retained } = sources
  const { received, sent, maxClients, bytes } = traffic
  const connected = aedes.connectedClients
  const offline = sources.offlineSessions()
  const queued = sources.queued()
  const dropped = (totals.messages_dropped ?? 0) + (totals.queued_dropped ?? 0)
  return {
    version: `wimz-robot-stack ${VERSION}`,
    uptime: `${Math.round((performance.now() - since) / 1_000)} seconds`,
    'clients/total': connected + offline,
    'clients/connected': connected,
    'clients/disconnected': offline,
    'clients/maximum': maxClients,
    'messages/received': received.messages,
    'messages/sent': sent.messages,
    'bytes/received': bytes.read,
    'bytes/sent': bytes.written,
    'publish/messages/received': received.publish,
    'publish/messages/sent': sent.publish,
    'publish/messages/dropped': dropped,
    'publish/bytes/received': received.publishBytes,
    'publish/bytes/sent': sent.publishBytes,
    'retained messages/count': retained.messages,
    'subscriptions/count': countSubscriptions(aedes),
    'store/messages/count': queued.messages + retained.messages,
    'store/messages/bytes': queued.bytes + retained.bytes,
  }
}

function countSubscriptions(aedes: Aedes): number {
  const { clients } = aedes as Aedes & { clients: Record<string, Client & { subscriptions: object }> }
  let count = 0
  for (const id in clients) count += Object.keys(clients[id]?.subscriptions ?? {}).length
  return count
}
