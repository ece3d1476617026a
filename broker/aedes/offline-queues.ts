import { Readable } from 'node:stream'
import type { Aedes } from 'aedes'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { detachBuffer } from './detach-buffer.ts'
import { releasePacketId, reservePacketId } from './packet-ids.ts'

/** Limits on the messages that are queued for offline clients or not acknowledged. */
export interface QueueLimits {
  messages: number
  /** Must be below the pending bytes of a client (backpressure.ts), or a full queue could never be sent. */
  bytes: number
  totalBytes: number
}

const QUEUE_LIMITS: QueueLimits = {
  messages: 20_000,
  bytes: 12 * 1024 * 1024,
  totalBytes: 48 * 1024 * 1024,
}

/** Approximate memory of a message beside topic and payload. */
const OVERHEAD_BYTES = 200

interface QueuedPacket {
  topic?: string
  payload?: string | Buffer
  brokerId?: string
  brokerCounter?: number
  messageId?: number | undefined
  qos?: number
  dup?: boolean
}

interface Queue {
  /** Oldest first, by {@link keyOf}. */
  packets: Map<string, QueuedPacket>
  /** Keys of the packets that were sent, by packet id. */
  sent: Map<number, string>
  bytes: number
}

/** The part of Aedes's persistence that this class replaces. */
interface OutgoingPersistence {
  outgoingEnqueue(sub: { clientId: string }, packet: QueuedPacket): Promise<void>
  outgoingEnqueueCombi(subs: { clientId: string; qos?: number }[], packet: QueuedPacket): Promise<void>
  outgoingUpdate(client: { id: string }, packet: QueuedPacket): Promise<void>
  outgoingClearMessageId(client: { id: string }, packet: QueuedPacket): Promise<QueuedPacket | undefined>
  outgoingStream(client: { id: string }): Readable
  cleanSubscriptions(client: { id: string }): Promise<void>
}

/**
 * Queues of QoS 1 and 2 messages of persistent sessions. Bounded, unlike those of Aedes: a full queue drops its oldest
 * message; at the total limit the largest queue drops its oldest. The relay-bridge's outbox has the same policy.
 */
export class OfflineQueues {
  readonly #queues = new Map<string, Queue>()
  readonly #limits: QueueLimits
  readonly #counters: EventCounter
  /** Client ids whose messages are dropped last at the total limit. */
  #protected: ReadonlySet<string> = new Set()
  #bytes = 0
  #messages = 0

  constructor(counters: EventCounter, limits = QUEUE_LIMITS) {
    this.#counters = counters
    this.#limits = limits
  }

  /** Number and size of all queued messages. */
  get held(): { messages: number; bytes: number } {
    return { messages: this.#messages, bytes: this.#bytes }
  }

  /** At the total limit these clients lose messages only if no other client has any. */
  protect(ids: Iterable<string>): void {
    this.#protected = new Set(ids)
  }

  /** Replaces the queues of Aedes. */
  install(aedes: Aedes): void {
    const { persistence } = aedes as Aedes & { persistence: OutgoingPersistence }
    const clean = persistence.cleanSubscriptions.bind(persistence)
    const own: OutgoingPersistence = {
      outgoingEnqueue: (sub, packet) => this.#enqueue([sub], packet),
      outgoingEnqueueCombi: (subs, packet) => this.#enqueue(subs, packet),
      outgoingUpdate: (client, packet) => this.#update(client.id, packet),
      outgoingClearMessageId: (client, packet) => {
        releasePacketId(client, packet.messageId)
        return Promise.resolve(this.#clear(client.id, packet))
      },
      outgoingStream: (client) => Readable.from(this.#toSend(client)),
      cleanSubscriptions: (client) => {
        this.#deleteQueue(client.id)
        return clean(client)
      },
    }
    Object.assign(persistence, own)
  }

  /** The queue of a client that resumes its session, oldest first. */
  #toSend(client: { id: string }): QueuedPacket[] {
    const queue = this.#queues.get(client.id)
    if (!queue) return []
    for (const id of queue.sent.keys()) reservePacketId(client, id)
    // sent on an earlier connection: a repetition [MQTT-3.3.1-1]
    const isRepeated = ({ brokerId, messageId }: QueuedPacket) =>
      brokerId !== undefined && messageId !== undefined
    return Array.from(queue.packets.values(), (packet) =>
      isRepeated(packet) ? { ...packet, dup: true } : packet,
    )
  }

  #enqueue(subs: { clientId: string; qos?: number }[], packet: QueuedPacket): Promise<void> {
    if (subs.length === 0) return Promise.resolve()
    const payload = packet.payload === undefined ? {} : { payload: detachBuffer(packet.payload) }
    // a copy for each session, because each assigns a packet id
    for (const { clientId, qos } of subs) this.#add(clientId, { ...packet, ...payload }, qos)
    return Promise.resolve()
  }

  /** `granted`: QoS of the subscription that matches. */
  #add(id: string, packet: QueuedPacket, granted = packet.qos ?? 1): void {
    const queue = this.#queues.get(id) ?? { packets: new Map(), sent: new Map(), bytes: 0 }
    this.#queues.set(id, queue)
    // matched by two of its filters: the highest QoS counts [MQTT-3.3.5-1]
    const other = queue.packets.get(keyOf(packet))
    const qos = Math.min(packet.qos ?? 1, Math.max(granted, other?.qos ?? 0))
    if (other) {
      other.qos = qos
      return
    }
    packet.qos = qos
    queue.packets.set(keyOf(packet), packet)
    this.#count(queue, 1, sizeOf(packet))
    const { messages, bytes, totalBytes } = this.#limits
    while (queue.packets.size > messages || queue.bytes > bytes) this.#dropOldest(queue)
    while (this.#bytes > totalBytes) this.#dropOldest(this.#largest())
  }

  #dropOldest(queue: Queue): void {
    const [oldest] = queue.packets.keys()
    if (oldest === undefined) return
    this.#remove(queue, oldest)
    this.#counters.count('queued_dropped')
  }

  #largest(): Queue {
    const queues = [...this.#queues]
    const others = queues.filter(([id, { bytes }]) => bytes > 0 && !this.#protected.has(id))
    const [, largest] = (others.length > 0 ? others : queues).reduce((max, entry) =>
      entry[1].bytes > max[1].bytes ? entry : max,
    )
    return largest
  }

  /** A message is sent with this packet id, or its PUBREL replaces it [MQTT-4.3.3-1]. */
  #update(id: string, packet: QueuedPacket): Promise<void> {
    const queue = this.#queues.get(id)
    const { messageId = 0 } = packet
    const key = packet.brokerId === undefined ? queue?.sent.get(messageId) : keyOf(packet)
    const queued = key === undefined ? undefined : queue?.packets.get(key)
    // missing: dropped in favor of newer messages; it is sent nevertheless
    if (!queue || key === undefined || !queued) return Promise.resolve()
    if (packet.brokerId === undefined) {
      queue.packets.set(key, packet)
      this.#count(queue, 0, sizeOf(packet) - sizeOf(queued))
      return Promise.resolve()
    }
    if (queued.messageId !== undefined) queue.sent.delete(queued.messageId)
    queued.messageId = messageId
    queue.sent.set(messageId, key)
    return Promise.resolve()
  }

  #clear(id: string, packet: QueuedPacket): QueuedPacket | undefined {
    const queue = this.#queues.get(id)
    // Aedes also clears a message that it must not deliver, which has no packet id yet
    const key = packet.messageId ? queue?.sent.get(packet.messageId) : keyOf(packet)
    if (!queue || key === undefined) return undefined
    const cleared = this.#remove(queue, key)
    if (queue.packets.size === 0) this.#queues.delete(id)
    return cleared
  }

  #remove(queue: Queue, key: string): QueuedPacket | undefined {
    const packet = queue.packets.get(key)
    if (!packet) return undefined
    queue.packets.delete(key)
    if (packet.messageId !== undefined) queue.sent.delete(packet.messageId)
    this.#count(queue, -1, -sizeOf(packet))
    return packet
  }

  /** The session has ended [MQTT-3.1.2-6]. */
  #deleteQueue(id: string): void {
    const queue = this.#queues.get(id)
    if (queue) this.#count(queue, -queue.packets.size, -queue.bytes)
    this.#queues.delete(id)
  }

  #count(queue: Queue, messages: number, bytes: number): void {
    queue.bytes += bytes
    this.#messages += messages
    this.#bytes += bytes
  }
}

function sizeOf({ topic, payload }: QueuedPacket): number {
  return OVERHEAD_BYTES + (topic?.length ?? 0) + (payload?.length ?? 0)
}

function keyOf({ brokerId, brokerCounter }: QueuedPacket): string {
  return `${brokerId}:${brokerCounter}`
}
