import { Readable } from 'node:stream'
import type { Aedes } from 'aedes'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { ownBytes } from './detach-buffer.ts'

/** Bounds on what waits for the sessions of clients that are away, or have not acknowledged it yet. */
export interface QueueBounds {
  messages: number
  /** Below what may wait in a client's socket, or a full queue could never be sent. */
  bytes: number
  totalBytes: number
}

const QUEUE_BOUNDS: QueueBounds = {
  messages: 20_000,
  bytes: 12 * 1024 * 1024,
  totalBytes: 48 * 1024 * 1024,
}

/** What a message costs beside topic and payload, roughly, bytes. */
const OVERHEAD = 200

interface Waiting {
  topic?: string
  payload?: string | Buffer
  brokerId?: string
  brokerCounter?: number
  messageId?: number | undefined
}

interface Queue {
  /** Oldest first, by {@link keyOf}. */
  packets: Map<string, Waiting>
  /** Keys of what was sent, by packet id. */
  sent: Map<number, string>
  bytes: number
}

/** The part of Aedes's persistence that this class takes over. */
interface Outgoing {
  outgoingEnqueue(sub: { clientId: string }, packet: Waiting): Promise<void>
  outgoingEnqueueCombi(subs: { clientId: string }[], packet: Waiting): Promise<void>
  outgoingUpdate(client: { id: string }, packet: Waiting): Promise<void>
  outgoingClearMessageId(client: { id: string }, packet: Waiting): Promise<Waiting | undefined>
  outgoingStream(client: { id: string }): Readable
  cleanSubscriptions(client: { id: string }): Promise<void>
}

/**
 * Queues of QoS 1 and 2 messages for sessions that outlive their connection. Bounded, unlike those of Aedes: when one is
 * full its oldest message goes, when all together are, the oldest of the longest. The newest are worth most, and the
 * outbox of the relay-bridge holds it the same way.
 */
export class OfflineQueues {
  readonly #queues = new Map<string, Queue>()
  readonly #bounds: QueueBounds
  readonly #tally: EventCounter
  /** Whose messages go last when all queues together are full. */
  #protected: ReadonlySet<string> = new Set()
  #bytes = 0
  #messages = 0

  constructor(tally: EventCounter, bounds = QUEUE_BOUNDS) {
    this.#tally = tally
    this.#bounds = bounds
  }

  /** Messages that wait, and their bytes. */
  get held(): { messages: number; bytes: number } {
    return { messages: this.#messages, bytes: this.#bytes }
  }

  /** These clients lose messages for the sake of others only when nobody else has any. */
  protect(ids: Iterable<string>): void {
    this.#protected = new Set(ids)
  }

  /** Takes the place of Aedes's own queues. */
  follow(aedes: Aedes): void {
    const { persistence } = aedes as Aedes & { persistence: Outgoing }
    const clean = persistence.cleanSubscriptions.bind(persistence)
    const own: Outgoing = {
      outgoingEnqueue: (sub, packet) => this.#enqueue([sub], packet),
      outgoingEnqueueCombi: (subs, packet) => this.#enqueue(subs, packet),
      outgoingUpdate: (client, packet) => this.#update(client.id, packet),
      outgoingClearMessageId: (client, packet) => Promise.resolve(this.#clear(client.id, packet)),
      outgoingStream: (client) => Readable.from([...(this.#queues.get(client.id)?.packets.values() ?? [])]),
      cleanSubscriptions: (client) => {
        this.#forget(client.id)
        return clean(client)
      },
    }
    Object.assign(persistence, own)
  }

  #enqueue(subs: { clientId: string }[], packet: Waiting): Promise<void> {
    if (subs.length === 0) return Promise.resolve()
    const payload = packet.payload === undefined ? {} : { payload: ownBytes(packet.payload) }
    // a copy for each: each session gives it an id of its own
    for (const { clientId } of subs) this.#add(clientId, { ...packet, ...payload })
    return Promise.resolve()
  }

  #add(id: string, packet: Waiting): void {
    const queue = this.#queues.get(id) ?? { packets: new Map(), sent: new Map(), bytes: 0 }
    this.#queues.set(id, queue)
    if (queue.packets.has(keyOf(packet))) return // two of its filters match
    queue.packets.set(keyOf(packet), packet)
    this.#count(queue, 1, sizeOf(packet))
    const { messages, bytes, totalBytes } = this.#bounds
    while (queue.packets.size > messages || queue.bytes > bytes) this.#dropOldest(queue)
    while (this.#bytes > totalBytes) this.#dropOldest(this.#longest())
  }

  #dropOldest(queue: Queue): void {
    const [oldest] = queue.packets.keys()
    if (oldest === undefined) return
    this.#remove(queue, oldest)
    this.#tally.count('queued_dropped')
  }

  #longest(): Queue {
    const queues = [...this.#queues]
    const others = queues.filter(([id, { bytes }]) => bytes > 0 && !this.#protected.has(id))
    const [, longest] = (others.length > 0 ? others : queues).reduce((most, one) =>
      one[1].bytes > most[1].bytes ? one : most,
    )
    return longest
  }

  /** A message is sent under this id; or its PUBREL takes its place [MQTT-4.3.3-1]. */
  #update(id: string, packet: Waiting): Promise<void> {
    const queue = this.#queues.get(id)
    const { messageId = 0 } = packet
    const key = packet.brokerId === undefined ? queue?.sent.get(messageId) : keyOf(packet)
    const waiting = key === undefined ? undefined : queue?.packets.get(key)
    // not there: dropped meanwhile, for others that came; it is sent all the same
    if (!queue || key === undefined || !waiting) return Promise.resolve()
    if (packet.brokerId === undefined) {
      queue.packets.set(key, packet)
      this.#count(queue, 0, sizeOf(packet) - sizeOf(waiting))
      return Promise.resolve()
    }
    if (waiting.messageId !== undefined) queue.sent.delete(waiting.messageId)
    waiting.messageId = messageId
    queue.sent.set(messageId, key)
    return Promise.resolve()
  }

  #clear(id: string, { messageId = 0 }: Waiting): Waiting | undefined {
    const queue = this.#queues.get(id)
    const key = queue?.sent.get(messageId)
    if (!queue || key === undefined) return undefined
    const cleared = this.#remove(queue, key)
    if (queue.packets.size === 0) this.#queues.delete(id)
    return cleared
  }

  #remove(queue: Queue, key: string): Waiting | undefined {
    const packet = queue.packets.get(key)
    if (!packet) return undefined
    queue.packets.delete(key)
    if (packet.messageId !== undefined) queue.sent.delete(packet.messageId)
    this.#count(queue, -1, -sizeOf(packet))
    return packet
  }

  /** The session is over [MQTT-3.1.2-6]. */
  #forget(id: string): void {
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

function sizeOf({ topic, payload }: Waiting): number {
  return OVERHEAD + (topic?.length ?? 0) + (payload?.length ?? 0)
}

function keyOf({ brokerId, brokerCounter }: Waiting): string {
  return `${brokerId}:${brokerCounter}`
}
