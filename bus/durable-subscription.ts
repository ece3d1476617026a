import type { IPublishPacket } from 'mqtt'
import { type BusOptions, createClient } from './client.ts'
import { ContractError } from './contract-error.ts'
import { Reconnect } from './reconnect.ts'
import { requestSubscription } from './subscription.ts'
import { decodePayload, type Topic } from './topic.ts'
import { createWarnings } from './warnings.ts'

/** How a message came, to tell one that is sent again from a new one. */
interface Delivery {
  /** MQTT packet id: the same when the broker sends a message again [MQTT-4.4.0-1]. */
  messageId: number
  /** Changes with each connection. A message is sent again only in a later one. */
  connection: string
  /** The broker has forgotten our session: nothing can be sent again. */
  fresh: boolean
}

interface Kept<P extends string> {
  params: Record<P, string>
  delivery: Delivery
}

/** Keeps a message; the broker is told that we have it, and forgets it, when the promise is fulfilled. */
export type Keep<T, P extends string> = (payload: T, meta: Kept<P>) => Promise<void>

/**
 * A subscription that outlives its subscriber: the broker keeps QoS 1 messages for it while the service is away, in a
 * session of its own (clean session off), so that nothing else is delivered late. One message at a time, in order. A
 * message that `keep` rejects stays with the broker until the next connection.
 */
export async function openInbox<T, P extends string>(
  options: BusOptions,
  topic: Topic<T, P>,
  keep: Keep<T, P>,
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
  const take = async (packet: IPublishPacket) => {
    const name = packet.topic.slice(options.prefix.length + 1)
    const params = topic.match(name)
    if (!params || packet.retain) return
    const payload = decodePayload(topic, packet.payload as Buffer)
    const delivery = { messageId: packet.messageId ?? 0, connection, fresh }
    await keep(payload, { params, delivery })
  }
  // PUBACK goes out when this calls back
  client.handleMessage = (packet, done) => {
    take(packet as IPublishPacket).then(
      () => done(),
      (err: unknown) => {
        const bad = err instanceof ContractError
        warn(
          packet.topic,
          { topic: packet.topic.slice(0, 200), err },
          bad ? 'bad message dropped' : 'message not kept',
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
