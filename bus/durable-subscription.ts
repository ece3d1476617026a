import type { IPublishPacket } from 'mqtt'
import { type BusOptions, createClient } from './client.ts'
import { ContractError } from './contract-error.ts'
import { Reconnect } from './reconnect.ts'
import { requestSubscription } from './subscription.ts'
import { decodePayload, type Topic } from './topic.ts'
import { createWarnings } from './warnings.ts'

/** Identifies a delivery, to tell a retransmission from a new message. */
interface Delivery {
  /** MQTT packet id: a retransmission has the same one [MQTT-4.4.0-1]. */
  messageId: number
  /** Differs for each connection. A retransmission arrives on a later connection only. */
  connection: string
  /** The broker had no session for us: nothing can be retransmitted. */
  fresh: boolean
}

interface DeliveryMeta<P extends string> {
  params: Record<P, string>
  delivery: Delivery
}

/** Stores a message. It is acknowledged, and the broker deletes it, when the promise is fulfilled. */
export type DurableHandler<T, P extends string> = (payload: T, meta: DeliveryMeta<P>) => Promise<void>

/**
 * A durable subscription: the broker queues QoS 1 messages while the service is offline, in a session of its own
 * (clean session 0), so that no other message is delivered late. One message at a time, in order. The broker keeps a
 * message that the handler rejects and delivers it again on the next connection.
 */
export async function subscribeDurably<T, P extends string>(
  options: BusOptions,
  topic: Topic<T, P>,
  handler: DurableHandler<T, P>,
): Promise<AsyncDisposable> {
  const session = `${options.service}-inbox`
  const client = createClient({ ...options, announce: false, session }, {})
  const warn = createWarnings(options.log)
  const reconnect = new Reconnect(client, { log: options.log, warn, url: options.url })
  let connection = ''
  let fresh = true
  let closing = false
  client.on('connect', ({ sessionPresent }) => {
    connection = crypto.randomUUID()
    fresh = !sessionPresent
    reconnect.connected()
  })
  client.on('close', () => {
    if (!closing) reconnect.lost()
  })
  client.on('error', (err) => warn('connection', { err }, 'bus error'))
  const ingest = async (packet: IPublishPacket) => {
    const name = packet.topic.slice(options.prefix.length + 1)
    const params = topic.match(name)
    if (!params || packet.retain) return
    const payload = decodePayload(topic, packet.payload as Buffer)
    const delivery = { messageId: packet.messageId ?? 0, connection, fresh }
    await handler(payload, { params, delivery })
  }
  // MQTT.js sends the PUBACK when `done` is called
  client.handleMessage = (packet, done) => {
    ingest(packet as IPublishPacket).then(
      () => done(),
      (err: unknown) => {
        const bad = err instanceof ContractError
        warn(
          topic.pattern,
          { topic: packet.topic.slice(0, 200), err },
          bad ? 'invalid message dropped' : 'message not stored; the broker delivers it again',
        )
        done(bad ? undefined : (err as Error))
      },
    )
  }
  const filter = `${options.prefix}/${topic.filter()}`
  await requestSubscription(client, { filter, qos: 1, closing: () => closing })
  return {
    async [Symbol.asyncDispose]() {
      closing = true
      await client.endAsync(!client.connected)
    },
  }
}
