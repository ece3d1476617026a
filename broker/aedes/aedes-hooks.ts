import type { AedesOptions, AuthenticateError, Client, PublishPacket } from 'aedes'
import { isRetainable } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Authorizer } from '../auth/authorizer.ts'
import { createDenialLog, isExpectedDenial } from '../auth/denial-log.ts'
import type { Backpressure } from '../limits/backpressure.ts'
import type { RetainedQuota } from '../limits/retained-quota.ts'
import { MAX_SUBSCRIPTIONS } from '../protocol/packets.ts'
import type { MessageProperties } from '../protocol/properties.ts'
import { isTopicName } from '../protocol/topics.ts'
import type { Traffic } from '../stats/statistics.ts'
import { deliveryOf, replaceDelivery } from './delivery.ts'
import { detachBuffer } from './detach-buffer.ts'
import type { MessageQueues } from './message-queues.ts'
import { EMPTY_SESSION } from './stored-sessions.ts'
import { keepDuplicateFilters } from './subscribe-duplicates.ts'

/** Denied messages are diverted to this topic, to which no client may subscribe. */
export const DENIED_TOPIC = '$refused'

interface HooksDeps {
  authorizer: Authorizer
  backpressure: Backpressure
  queues: MessageQueues
  retained: RetainedQuota
  traffic: Traffic
  counters: EventCounter
  log: Logger
  prefix: string
}

type InboundHooks = Required<Pick<AedesOptions, 'authenticate' | 'authorizePublish' | 'authorizeSubscribe'>>
type OutboundHooks = Required<Pick<AedesOptions, 'preConnect'>>

/** Keep alive that is set for clients of MQTT 5 without one [s]: a connection that is lost must not stay. */
const MAX_KEEP_ALIVE_S = 1_800
/** Session expiry of clients of MQTT 5 without a user name [s], as in client-ids.ts for 3.1.1. */
const ANONYMOUS_EXPIRY_S = 3_600
/** A client that takes smaller packets gets no reason strings. */
const LEAST_FOR_REASONS_BYTES = 1_024

/** A message that no rule allows: the client stays connected, and one of MQTT 5 gets the reason. */
export class MessageDenied extends Error {}

/** Members of an Aedes client that its typings lack. */
type NegotiatingClient = Client & {
  version: number
  _requestProblemInformation: boolean
  _sessionExpiryClamped: boolean
  _serverKeepAlive?: number
  _cleanStart?: boolean
  subscriptions: object
  duplicates: object
}

/** The hooks that Aedes calls. */
export function createAedesHooks(deps: HooksDeps): InboundHooks & OutboundHooks {
  return { ...createInboundHooks(deps), ...createOutboundHooks(deps) }
}

/**
 * Aedes authorization hooks. A denied message, also a last will, is acknowledged and diverted, as MQTT 3.1.1 §3.3.5
 * allows: an error from the hook would close the connection.
 */
function createInboundHooks({ authorizer, retained, counters, log, prefix }: HooksDeps): InboundHooks {
  const logDenial = createDenialLog(log, prefix)
  const mayRetain = (client: Client, { topic, payload, properties }: Publication) =>
    isRetainable(topic, prefix, payload.length) &&
    retained.store(
      topic,
      payload.length === 0 ? 0 : payload.length + (properties?.raw?.length ?? 0),
      authorizer.isAnonymous(client),
    )
  return {
    authenticate(client, username, password, done) {
      authorizer.login(client, username, password).then(
        (rejection) => {
          if (rejection) return done(toAuthenticateError(rejection.reason, rejection.code), false)
          negotiate(client as NegotiatingClient, authorizer.isAnonymous(client))
          done(null, true)
        },
        (err: unknown) => {
          log.error({ err }, 'login check failed')
          done(toAuthenticateError('internal error', 3), false)
        },
      )
    },
    authorizePublish(client, packet, done) {
      packet.dup = false // of the publisher's connection, not of the subscribers' [MQTT-3.3.1-3]
      if (client) attribute(packet, client)
      if (!client || !authorizer.mayPublish(client, packet.topic)) {
        counters.count('publish_refused')
        logDenial(client, 'message', packet.topic)
        return done(denial(client, packet))
      } else if (packet.retain && !mayRetain(client, packet as Publication)) {
        counters.count('retain_refused')
        logDenial(client, 'retain', packet.topic)
        packet.retain = false
      } else if (packet.retain) {
        packet.payload = detachBuffer(packet.payload)
      }
      done(null)
    },
    authorizeSubscribe(client, subscription, done) {
      if (subscription.topic === EMPTY_SESSION) return done(null, null)
      if (authorizer.maySubscribe(client, subscription.topic) && mayHoldOneMore(client)) {
        if ('subscriptionIdentifier' in subscription) deliveryOf(client)?.useIdentifiers()
        return done(null, subscription)
      }
      if (!isExpectedDenial(subscription.topic)) {
        counters.count('subscribe_refused')
        logDenial(client, 'subscription', subscription.topic)
      }
      // Aedes stores all filters of the packet for a persistent session, also denied ones: QoS 0 queues nothing for them
      subscription.qos = 0
      done(null, null)
    },
  }
}

function createOutboundHooks(deps: HooksDeps): OutboundHooks {
  const { authorizer, backpressure, queues, traffic, counters } = deps
  const mayForward = (client: Client, packet: Forwarded) => {
    if (!isDeliverable(packet)) {
      counters.count('messages_undeliverable')
      return false
    }
    // the rules may have changed since the client subscribed, or since its session was stored
    if (isInternal(packet.topic) || !authorizer.mayRead(client, packet.topic)) return false
    if (!backpressure.accepts(client, packet.qos)) return false
    traffic.forwarded(packet.payload)
    return true
  }
  const onTooLarge = () => counters.count('messages_too_large')
  return {
    preConnect(client, packet, done) {
      const negotiating = client as NegotiatingClient
      // filters and broker ids come from the network: `__proto__` must be a name like any other
      negotiating.subscriptions = Object.create(null)
      negotiating.duplicates = Object.create(null)
      keepDuplicateFilters(client)
      replaceDelivery(client, { queues, mayForward, onTooLarge })
      const { keepalive = 0 } = packet
      if (packet.protocolVersion === (5 as number) && (keepalive === 0 || keepalive > MAX_KEEP_ALIVE_S)) {
        negotiating._serverKeepAlive = MAX_KEEP_ALIVE_S
      }
      done(null, true)
    },
  }
}

/** What the broker decides about an accepted client of MQTT 5. */
function negotiate(client: NegotiatingClient, isAnonymous: boolean): void {
  if (client.version !== 5) return
  if ((client.maximumPacketSize ?? LEAST_FOR_REASONS_BYTES) < LEAST_FOR_REASONS_BYTES) {
    client._requestProblemInformation = false
  }
  const inner = client as { clean: boolean; sessionExpiryInterval: number }
  if (isAnonymous && client.sessionExpiryInterval > ANONYMOUS_EXPIRY_S) {
    inner.sessionExpiryInterval = ANONYMOUS_EXPIRY_S
    client._sessionExpiryClamped = true
  }
  // it resumes a session that ends with this connection: until then its messages are those of a stored one
  if (!client._cleanStart) inner.clean = false
}

type Publication = PublishPacket & {
  clientId?: string
  messageExpiry?: number
  properties?: Partial<MessageProperties>
}

/** Names the publisher, for subscriptions without local messages, and gives a message without lifetime its second. */
function attribute(packet: PublishPacket, client: Client): void {
  const publication = packet as Publication
  publication.clientId = client.id
  if (publication.properties?.messageExpiryInterval === 0) publication.messageExpiry = Date.now() + 1_000
}

type Forwarded = Parameters<Parameters<typeof replaceDelivery>[1]['mayForward']>[1]

/**
 * Whether a message can be sent without breaking the subscriber's connection. Everything received is validated; this covers
 * other sources, such as a queue that was filled before an update.
 */
function isDeliverable({ topic, qos }: Forwarded): boolean {
  return isTopicName(topic) && qos >= 0 && qos <= 2
}

/** Messages of Aedes to itself, with client ids in them; the documented topics are below `$SYS/broker`. */
function isInternal(topic: string): boolean {
  return topic.startsWith('$SYS/') && !topic.startsWith('$SYS/broker/')
}

/** The error for a client of MQTT 5; the message of another one is diverted. */
function denial(client: Client | null, packet: PublishPacket): Error | null {
  if ((client as NegotiatingClient | null)?.version === 5) {
    return new MessageDenied(`no right to publish on ${packet.topic.slice(0, 200)}`)
  }
  divert(packet)
  return null
}

function divert(packet: PublishPacket): void {
  packet.topic = DENIED_TOPIC
  packet.payload = Buffer.alloc(0)
  packet.retain = false
}

function toAuthenticateError(reason: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(reason), { returnCode }) as AuthenticateError
}

/** Subscriptions of the clients whose SUBSCRIBE is being processed: counting 500 for each of 500 filters would take 20 ms. */
const counts = new WeakMap<Client, number>()

function mayHoldOneMore(client: Client): boolean {
  let count = counts.get(client)
  if (count === undefined) {
    count = Object.keys((client as Client & { subscriptions: object }).subscriptions).length
    queueMicrotask(() => counts.delete(client))
  }
  counts.set(client, count + 1)
  return count < MAX_SUBSCRIPTIONS
}
