import type { EventEmitter } from 'node:events'
import type { Aedes, AedesPublishPacket, Client } from 'aedes'
import type { MessageProperties } from '../protocol/properties.ts'
import { publishPacket } from '../protocol/publish-packet.ts'
import { matches } from '../protocol/topics.ts'
import type { MessageQueue, MessageQueues, QueuedPacket } from './message-queues.ts'
import { PacketIds } from './packet-ids.ts'

type Done = (err?: Error) => void

interface Subscription {
  qos: number
  /** No local, MQTT 5.0 §3.8.3.1. */
  nl?: boolean
  /** Subscription identifier. */
  si?: number
}

/** A message as Aedes delivers it: a copy for each matching subscription. */
type Delivered = AedesPublishPacket & {
  clientId?: string
  nl?: boolean
  properties?: MessageProperties
  messageExpiry?: number
}

/** Members of an Aedes client that its typings lack. */
type DeliveringClient = Client & {
  version: number
  deliver0: (packet: Delivered, done: Done) => void
  deliverQoS: (packet: Delivered, done: Done) => void
  subscriptions: Record<string, Subscription>
  duplicates: Record<string, number>
}

export interface DeliveryDeps {
  queues: MessageQueues
  /** Whether the client may get the message, and can take it. */
  mayForward(client: Client, packet: { topic: string; qos: number; payload: string | Buffer }): boolean
  /** A message exceeds the client's Maximum Packet Size and is discarded [MQTT-3.1.2-25]. */
  onTooLarge(): void
}

/** Messages of one queue that are sent in one round of the event loop. */
const BATCH = 200
/** Below all 65,535 packet ids, so that a client of MQTT 5 is never without one. */
const MAX_IN_FLIGHT = 65_534

/**
 * Delivers messages to one client, in place of Aedes: in order also after a resumed session, at the granted QoS, within the
 * client's Receive Maximum and Maximum Packet Size, with free packet ids and the remaining message expiry.
 */
export class Delivery {
  readonly #client: DeliveringClient
  readonly #deps: DeliveryDeps
  readonly #ids = new PacketIds()
  /** Packet ids of the messages that were sent on this connection, which count against the Receive Maximum. */
  readonly #inFlight = new Set<number>()
  #repeats: [id: number, packet: QueuedPacket][] = []
  #temporary: MessageQueue | undefined
  #sender: Disposable | undefined
  #isReady = false
  #isCorked = false
  #isPumping = false
  #hasIdentifiers = false

  constructor(client: Client, deps: DeliveryDeps) {
    this.#client = client as DeliveringClient
    this.#deps = deps
    this.#client.deliver0 = (packet, done) => {
      this.#deliver0(packet)
      setImmediate(done)
    }
    this.#client.deliverQoS = (packet, done) => {
      this.#deliverQos(packet)
      setImmediate(done)
    }
    client.conn.once('close', () => {
      this.#sender?.[Symbol.dispose]()
      if (this.#temporary) deps.queues.close(this.#temporary)
    })
  }

  /** The client has a subscription with an identifier. */
  useIdentifiers(): void {
    this.#hasIdentifiers = true
  }

  /** The CONNACK is sent: repeats what an earlier connection has not acknowledged [MQTT-4.4.0-1], then sends the queue. */
  resume(): void {
    this.#isReady = true
    if (!this.#client.clean) {
      this.#sender = this.#deps.queues.connect(this.#client.id, () => this.pump())
      this.#repeats = [...(this.#deps.queues.ofSession(this.#client.id)?.sent ?? [])]
      for (const [id] of this.#repeats) this.#ids.reserve(id)
    }
    this.pump()
  }

  /** The client has acknowledged the message with this packet id. */
  acknowledged(id: number): void {
    this.#ids.release(id)
    this.#inFlight.delete(id)
    const queue = this.#queue()
    if (queue) this.#deps.queues.acknowledged(queue, id)
    this.pump()
  }

  /** Sends what the client can take. */
  pump(): void {
    if (!this.#isReady || this.#isPumping) return
    for (let count = 0; this.#isOpen; count++) {
      if (count === BATCH) {
        this.#isPumping = true
        setImmediate(() => {
          this.#isPumping = false
          this.pump()
        })
        return
      }
      if (!this.#repeatOne() && !this.#sendOne()) return
    }
  }

  /** Room for one more message [MQTT-3.3.4-9]. */
  get #isOpen(): boolean {
    const { conn, version, receiveMaximum } = this.#client
    if (conn.destroyed) return false
    return version < 5 || this.#inFlight.size < Math.min(receiveMaximum, MAX_IN_FLIGHT)
  }

  #queue(): MessageQueue | undefined {
    const { clean, id } = this.#client
    return clean ? this.#temporary : this.#deps.queues.ofSession(id)
  }

  #deliver0(packet: Delivered): void {
    if (this.#isOwn(packet)) return
    // its subscription of a higher QoS delivers it [MQTT-3.3.5-1]
    if (packet.qos > 0 && (this.#granted(packet) ?? 0) > 0) return
    if (this.#isNew(packet)) this.#send(packet as unknown as QueuedPacket, { qos: 0 })
  }

  #deliverQos(packet: Delivered): void {
    if (packet.qos === 0) {
      this.#deliver0(packet)
      return
    }
    // a message that was just published is in the queue of the session, which sends it
    if (!this.#client.clean && packet.brokerId) return
    if (this.#isOwn(packet)) return
    const qos = Math.min(packet.qos, this.#granted(packet) ?? packet.qos)
    if (qos === 0) {
      this.#deliver0(packet)
      return
    }
    if (!this.#isNew(packet)) return
    packet.qos = qos as 1 | 2 // a copy for this subscription
    const message = packet as unknown as QueuedPacket
    const { queues } = this.#deps
    const queue = this.#queue()
    if (this.#isReady && this.#isOpen && !queue?.waiting.size) {
      this.#sendWithId(message)
      return
    }
    if (this.#client.clean) this.#temporary ??= queues.open()
    queues.add(this.#temporary ?? queues.forSession(this.#client.id), message)
  }

  #repeatOne(): boolean {
    const next = this.#repeats.shift()
    if (!next) return false
    const [id, packet] = next
    const queue = this.#queue()
    if (queue?.sent.get(id) !== packet) return true // dropped in favor of newer messages
    if (packet.cmd === 'pubrel') {
      this.#write(Buffer.from([0x62, 2, id >> 8, id & 0xff]))
    } else if (this.#send(packet, { qos: packet.qos, id, dup: true })) {
      this.#inFlight.add(id)
    } else {
      this.#ids.release(id)
      this.#deps.queues.acknowledged(queue, id)
    }
    return true
  }

  #sendOne(): boolean {
    const queue = this.#queue()
    const [packet] = queue?.waiting.values() ?? []
    if (!queue || !packet) return false
    const { queues } = this.#deps
    const id = isExpired(packet) ? undefined : this.#sendWithId(packet)
    if (id !== undefined && !this.#client.clean) queues.sent(queue, packet, id)
    else queues.drop(queue, packet)
    return true
  }

  /** Returns the packet id; undefined if the message was not sent. */
  #sendWithId(packet: QueuedPacket): number | undefined {
    const id = this.#ids.take()
    if (id === undefined) {
      this.#client.conn.destroy(new Error('no packet id left: nothing is acknowledged'))
      return undefined
    }
    if (!this.#send(packet, { qos: packet.qos, id })) {
      this.#ids.release(id)
      return undefined
    }
    this.#inFlight.add(id)
    return id
  }

  #send(
    packet: QueuedPacket,
    { qos, id = 0, dup = false }: { qos: number; id?: number; dup?: boolean },
  ): boolean {
    const { topic, payload, retain, properties, messageExpiry } = packet
    const client = this.#client
    // expiry does not stop a message that was sent before [MQTT-4.3.3-7]
    if ((isExpired(packet) && !dup) || client.conn.destroyed || client.closed) return false
    if (!this.#deps.mayForward(client, { topic, qos, payload })) return false
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    const isV5 = client.version === 5
    const expiry =
      messageExpiry === undefined
        ? properties?.messageExpiryInterval
        : Math.max(0, Math.ceil((messageExpiry - Date.now()) / 1_000)) // [MQTT-3.3.2-6]
    const parts = publishPacket({
      version: client.version,
      topic,
      payload: bytes,
      qos,
      retain,
      dup,
      id,
      ...(isV5 ? { properties, expiry } : {}),
      ...(isV5 && this.#hasIdentifiers ? { subscriptionIdentifiers: this.#identifiers(topic) } : {}),
    })
    if (isV5 && sizeOf(parts) > (client.maximumPacketSize ?? Number.POSITIVE_INFINITY)) {
      this.#deps.onTooLarge()
      return false
    }
    this.#write(...parts)
    return true
  }

  /** Everything of one round of the event loop goes out at once. */
  #write(...parts: Buffer[]): void {
    const { conn } = this.#client
    if (!this.#isCorked) {
      this.#isCorked = true
      conn.cork()
      process.nextTick(() => {
        this.#isCorked = false
        conn.uncork()
      })
    }
    for (const part of parts) conn.write(part)
  }

  /** It is the client's own message, and the subscription is without local ones. */
  #isOwn({ nl, clientId }: Delivered): boolean {
    return nl === true && clientId === this.#client.id
  }

  /** Two subscriptions that match deliver a message once. */
  #isNew({ brokerId, brokerCounter }: Delivered): boolean {
    if (!brokerId) return true
    const { duplicates } = this.#client
    if ((duplicates[brokerId] ?? 0) >= brokerCounter) return false
    duplicates[brokerId] = brokerCounter
    return true
  }

  /** The highest QoS that the client's subscriptions grant to the message; undefined if none matches. */
  #granted(packet: Delivered): number | undefined {
    const { subscriptions, id } = this.#client
    let granted: number | undefined
    for (const filter in subscriptions) {
      const { qos = 0, nl } = subscriptions[filter] ?? {}
      if (nl && packet.clientId === id) continue
      if (matches(filter, packet.topic)) granted = Math.max(granted ?? 0, qos)
    }
    return granted
  }

  /** Of all subscriptions that match [MQTT-3.3.4-4]. */
  #identifiers(topic: string): number[] {
    return Object.entries(this.#client.subscriptions)
      .filter(([filter, { si }]) => si !== undefined && matches(filter, topic))
      .map(([, { si = 0 }]) => si)
  }
}

function sizeOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function isExpired({ messageExpiry }: { messageExpiry?: number }): boolean {
  return messageExpiry !== undefined && messageExpiry <= Date.now()
}

const deliveries = new WeakMap<Client, Delivery>()

interface Acknowledgment {
  cmd: string
  messageId?: number
  /** Of MQTT 5; from 0x80 on the client has rejected the message. */
  reasonCode?: number
}

/** Call for each client before it is accepted. */
export function replaceDelivery(client: Client, deps: DeliveryDeps): void {
  const delivery = new Delivery(client, deps)
  deliveries.set(client, delivery)
  const { _parser: parser } = client as Client & { _parser: EventEmitter }
  // before Aedes's own listener
  parser.prependListener('packet', ({ cmd, messageId = 0, reasonCode = 0 }: Acknowledgment) => {
    if (cmd === 'puback' || cmd === 'pubcomp' || (cmd === 'pubrec' && reasonCode >= 0x80)) {
      delivery.acknowledged(messageId)
    }
  })
}

export function deliveryOf(client: Client): Delivery | undefined {
  return deliveries.get(client)
}

/** Starts the delivery of each client when Aedes has accepted it. */
export function followSessions(aedes: Aedes): void {
  aedes.on('clientReady', (client) => deliveryOf(client)?.resume())
  // messages that were published while the subscription was being stored
  aedes.on('subscribe', (_subscriptions, client) => deliveryOf(client)?.pump())
}
