import { Readable } from 'node:stream'
import type { Aedes } from 'aedes'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { MessageProperties } from '../protocol/properties.ts'
import { detachBuffer } from './detach-buffer.ts'

/** Limits on the messages that wait for a client or are not acknowledged. */
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

/** A message, or the PUBREL that has replaced one of QoS 2. */
export interface QueuedPacket {
  cmd: 'publish' | 'pubrel'
  topic: string
  payload: string | Buffer
  qos: number
  retain: boolean
  brokerId?: string | null
  brokerCounter?: number
  /** Its publisher. */
  clientId?: string
  properties?: MessageProperties
  /** Milliseconds since the epoch. */
  messageExpiry?: number
}

/** Messages of QoS 1 and 2 for one client, oldest first. */
export class MessageQueue {
  /** Not sent yet, by {@link keyOf}. */
  readonly waiting = new Map<string, QueuedPacket>()
  /** Sent and not acknowledged, by packet id. */
  readonly sent = new Map<number, QueuedPacket>()
  bytes = 0

  get size(): number {
    return this.waiting.size + this.sent.size
  }
}

interface Subscriber {
  clientId: string
  /** QoS of the subscription that matches. */
  qos?: number
  rap?: boolean
  nl?: boolean
}

/** The part of Aedes's persistence that this class replaces. */
interface OutgoingPersistence {
  outgoingEnqueue(sub: Subscriber, packet: QueuedPacket): Promise<void>
  outgoingEnqueueCombi(subs: Subscriber[], packet: QueuedPacket): Promise<void>
  outgoingUpdate(client: { id: string }, packet: { cmd: string; messageId?: number }): Promise<void>
  outgoingClearMessageId(client: { id: string }, packet: object): Promise<undefined>
  outgoingStream(client: { id: string }): Readable
  cleanSubscriptions(client: { id: string }): Promise<void>
}

/**
 * Queues of QoS 1 and 2 messages: of persistent sessions, and of connected clients that cannot take more at the moment.
 * Bounded, unlike those of Aedes: a full queue drops its oldest message; at the total limit the largest queue drops its
 * oldest. The relay-bridge's outbox has the same policy.
 */
export class MessageQueues {
  readonly #sessions = new Map<string, MessageQueue>()
  /** Of the sessions whose client is connected. */
  readonly #senders = new Map<string, () => void>()
  readonly #temporary = new Set<MessageQueue>()
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

  /** Replaces the queues of Aedes. It gets none of their messages: delivery.ts sends them. */
  install(aedes: Aedes): void {
    const { persistence } = aedes as Aedes & { persistence: OutgoingPersistence }
    const clean = persistence.cleanSubscriptions.bind(persistence)
    const own: OutgoingPersistence = {
      outgoingEnqueue: (sub, packet) => this.#enqueue([sub], packet),
      outgoingEnqueueCombi: (subs, packet) => this.#enqueue(subs, packet),
      outgoingUpdate: (client, { cmd, messageId = 0 }) => {
        if (cmd === 'pubrel') this.#released(client.id, messageId)
        return Promise.resolve()
      },
      outgoingClearMessageId: () => Promise.resolve(undefined),
      outgoingStream: () => Readable.from([]),
      cleanSubscriptions: (client) => {
        const queue = this.#sessions.get(client.id)
        if (queue) this.#clear(queue)
        this.#sessions.delete(client.id)
        return clean(client)
      },
    }
    Object.assign(persistence, own)
  }

  /** The queue of a persistent session. */
  ofSession(id: string): MessageQueue | undefined {
    return this.#sessions.get(id)
  }

  /** The same, created where it is missing. */
  forSession(id: string): MessageQueue {
    const queue = this.#sessions.get(id) ?? new MessageQueue()
    this.#sessions.set(id, queue)
    return queue
  }

  /** The client of a session is connected: `send` is called for each new message. Dispose it when the connection ends. */
  connect(id: string, send: () => void): Disposable {
    this.#senders.set(id, send)
    return {
      [Symbol.dispose]: () => {
        if (this.#senders.get(id) === send) this.#senders.delete(id)
      },
    }
  }

  /** A queue that ends with its connection: {@link close} it. */
  open(): MessageQueue {
    const queue = new MessageQueue()
    this.#temporary.add(queue)
    return queue
  }

  close(queue: MessageQueue): void {
    this.#clear(queue)
    this.#temporary.delete(queue)
  }

  /** `send` sends what the client can take, before a limit drops a message. */
  add(queue: MessageQueue, packet: QueuedPacket, send?: () => void): void {
    queue.waiting.set(keyOf(packet), packet)
    this.#count(queue, 1, sizeOf(packet))
    send?.()
    const { messages, bytes, totalBytes } = this.#limits
    while (queue.size > messages || queue.bytes > bytes) this.#dropOldest(queue)
    while (this.#bytes > totalBytes) this.#dropOldest(this.#largest())
  }

  /** A waiting message is sent: it stays in the queue under its packet id. */
  sent(queue: MessageQueue, packet: QueuedPacket, messageId: number): void {
    queue.waiting.delete(keyOf(packet))
    queue.sent.set(messageId, packet)
  }

  /** Deletes a message that will not be sent, or not again. */
  drop(queue: MessageQueue, packet: QueuedPacket): void {
    if (!queue.waiting.delete(keyOf(packet))) return
    this.#count(queue, -1, -sizeOf(packet))
  }

  acknowledged(queue: MessageQueue, messageId: number): void {
    const packet = queue.sent.get(messageId)
    if (!packet) return
    queue.sent.delete(messageId)
    this.#count(queue, -1, -sizeOf(packet))
  }

  #enqueue(subs: Subscriber[], packet: QueuedPacket): Promise<void> {
    if (subs.length === 0) return Promise.resolve()
    const payload = detachBuffer(packet.payload)
    for (const [id, { qos, retain }] of bySession(subs, packet)) {
      this.add(this.forSession(id), { ...packet, payload, qos, retain }, this.#senders.get(id))
    }
    return Promise.resolve()
  }

  #dropOldest(queue: MessageQueue): void {
    const [id] = queue.sent.keys()
    const [oldest] = queue.waiting.values()
    if (id !== undefined) this.acknowledged(queue, id)
    else if (oldest) this.drop(queue, oldest)
    else return
    this.#counters.count('queued_dropped')
  }

  #largest(): MessageQueue {
    const sessions = [...this.#sessions].filter(([, { bytes }]) => bytes > 0)
    const others = sessions.filter(([id]) => !this.#protected.has(id)).map(([, queue]) => queue)
    const unprotected = [...others, ...this.#temporary].filter(({ bytes }) => bytes > 0)
    const candidates = unprotected.length > 0 ? unprotected : sessions.map(([, queue]) => queue)
    return candidates.reduce((max, queue) => (queue.bytes > max.bytes ? queue : max))
  }

  /** The client has received a QoS 2 message: from now on its PUBREL is repeated [MQTT-4.3.3-1]. */
  #released(id: string, messageId: number): void {
    const queue = this.#sessions.get(id)
    const before = queue?.sent.get(messageId)
    if (!queue || !before) return
    const pubrel: QueuedPacket = { cmd: 'pubrel', topic: '', payload: '', qos: 1, retain: false }
    queue.sent.set(messageId, pubrel)
    this.#count(queue, 0, sizeOf(pubrel) - sizeOf(before))
  }

  #clear(queue: MessageQueue): void {
    this.#count(queue, -queue.size, -queue.bytes)
    queue.waiting.clear()
    queue.sent.clear()
  }

  #count(queue: MessageQueue, messages: number, bytes: number): void {
    queue.bytes += bytes
    this.#messages += messages
    this.#bytes += bytes
  }
}

/** QoS and retain flag for each session: of two filters that match the highest QoS counts [MQTT-3.3.5-1]. */
function bySession(subs: Subscriber[], packet: QueuedPacket): Map<string, { qos: number; retain: boolean }> {
  const granted = new Map<string, { qos: number; retain: boolean }>()
  for (const { clientId, qos = packet.qos, rap = false, nl } of subs) {
    if (nl && clientId === packet.clientId) continue
    const before = granted.get(clientId) ?? { qos: 0, retain: false }
    const highest = Math.max(before.qos, Math.min(qos, packet.qos))
    granted.set(clientId, { qos: highest, retain: before.retain || (rap && packet.retain) })
  }
  return granted
}

function sizeOf({ topic, payload, properties }: QueuedPacket): number {
  return OVERHEAD_BYTES + topic.length + payload.length + (properties?.raw?.length ?? 0)
}

function keyOf({ brokerId, brokerCounter }: QueuedPacket): string {
  return `${brokerId}:${brokerCounter}`
}
