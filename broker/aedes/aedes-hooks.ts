import type { AedesOptions, AedesPublishPacket, AuthenticateError, Client, PublishPacket } from 'aedes'
import { isRetainable } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Authorizer } from '../auth/authorizer.ts'
import { createDenialLog, isExpectedDenial } from '../auth/denial-log.ts'
import type { Backpressure } from '../limits/backpressure.ts'
import type { RetainedQuota } from '../limits/retained-quota.ts'
import { MAX_SUBSCRIPTIONS } from '../protocol/packets.ts'
import { isTopicName } from '../protocol/topics.ts'
import type { Traffic } from '../stats/statistics.ts'
import { detachBuffer } from './detach-buffer.ts'
import { grantedQos, preferHighestQos } from './granted-qos.ts'
import { assignPacketIds } from './packet-ids.ts'
import type { ResumedSessions } from './resumed-sessions.ts'
import { EMPTY_SESSION } from './stored-sessions.ts'
import { keepDuplicateFilters } from './subscribe-duplicates.ts'

/** Denied messages are diverted to this topic, to which no client may subscribe. */
export const DENIED_TOPIC = '$refused'

interface HooksDeps {
  authorizer: Authorizer
  backpressure: Backpressure
  resumed: ResumedSessions
  retained: RetainedQuota
  traffic: Traffic
  counters: EventCounter
  log: Logger
  prefix: string
}

type InboundHooks = Required<Pick<AedesOptions, 'authenticate' | 'authorizePublish' | 'authorizeSubscribe'>>
type OutboundHooks = Required<Pick<AedesOptions, 'preConnect' | 'authorizeForward'>>

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
  const mayRetain = (client: Client, { topic, payload }: PublishPacket) =>
    isRetainable(topic, prefix, payload.length) &&
    retained.store(topic, payload.length, authorizer.isAnonymous(client))
  return {
    authenticate(client, username, password, done) {
      authorizer.login(client, username, password).then(
        (rejection) =>
          rejection ? done(toAuthenticateError(rejection.reason, rejection.code), false) : done(null, true),
        (err: unknown) => {
          log.error({ err }, 'login check failed')
          done(toAuthenticateError('internal error', 3), false)
        },
      )
    },
    authorizePublish(client, packet, done) {
      packet.dup = false // of the publisher's connection, not of the subscribers' [MQTT-3.3.1-3]
      if (!client || !authorizer.mayPublish(client, packet.topic)) {
        counters.count('publish_refused')
        logDenial(client, 'message', packet.topic)
        divert(packet)
      } else if (packet.retain && !mayRetain(client, packet)) {
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
  const { authorizer, backpressure, resumed, traffic, counters } = deps
  return {
    preConnect(client, packet, done) {
      keepDuplicateFilters(client)
      assignPacketIds(client)
      preferHighestQos(client)
      resumed.connecting(client, packet.clean !== false)
      done(null, true)
    },
    authorizeForward(client, packet) {
      if (!isDeliverable(packet)) {
        counters.count('messages_undeliverable')
        return null
      }
      // the rules may have changed since the client subscribed, or since its session was stored
      if (isInternal(packet.topic) || !authorizer.mayRead(client, packet.topic)) return null
      const forwarded = backpressure.authorizeForward(client, packet)
      if (!forwarded) return null
      resumed.sending(client, packet)
      traffic.forwarded(packet.payload)
      return limitQos(client, forwarded)
    },
  }
}

/**
 * Whether a message can be sent without breaking the subscriber's connection. Everything received is validated; this covers
 * other sources, such as a queue that was filled before an update.
 */
function isDeliverable({ topic, qos }: AedesPublishPacket): boolean {
  return isTopicName(topic) && qos >= 0 && qos <= 2
}

/** Messages of Aedes to itself, with client ids in them; the documented topics are below `$SYS/broker`. */
function isInternal(topic: string): boolean {
  return topic.startsWith('$SYS/') && !topic.startsWith('$SYS/broker/')
}

/** The message at the QoS that the client's subscriptions grant, where that is lower [MQTT-3.8.4-6]. */
function limitQos(client: Client, packet: AedesPublishPacket): AedesPublishPacket {
  if (packet.qos === 0) return packet
  const granted = grantedQos(client, packet.topic) ?? packet.qos
  return granted < packet.qos ? { ...packet, qos: granted as 0 | 1 } : packet
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
