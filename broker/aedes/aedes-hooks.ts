import type { AedesOptions, AuthenticateError, Client, PublishPacket } from 'aedes'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Authorizer } from '../auth/authorizer.ts'
import { createDenialLog } from '../auth/denial-log.ts'
import type { RetainedQuota } from '../limits/retained-quota.ts'
import { detachBuffer } from './detach-buffer.ts'

/** Denied messages are diverted to this topic, to which no client may subscribe. */
export const DENIED_TOPIC = '$refused'
/** Subscriptions of one client. */
const MAX_SUBSCRIPTIONS = 500

interface HooksDeps {
  authorizer: Authorizer
  retained: RetainedQuota
  counters: EventCounter
  log: Logger
  prefix: string
}

type AedesHooks = Required<Pick<AedesOptions, 'authenticate' | 'authorizePublish' | 'authorizeSubscribe'>>

/**
 * Aedes authorization hooks. A denied message, also a last will, is acknowledged and diverted, as MQTT 3.1.1 §3.3.5
 * allows: an error from the hook would close the connection.
 */
export function createAedesHooks({ authorizer, retained, counters, log, prefix }: HooksDeps): AedesHooks {
  const logDenial = createDenialLog(log, prefix)
  const mayRetain = (client: Client, { topic, payload }: PublishPacket) =>
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
      if (
        authorizer.maySubscribe(client, subscription.topic) &&
        countSubscriptions(client) < MAX_SUBSCRIPTIONS
      ) {
        return done(null, subscription)
      }
      counters.count('subscribe_refused')
      logDenial(client, 'subscription', subscription.topic)
      // Aedes stores all filters of the packet for a persistent session, also denied ones: QoS 0 queues nothing for them
      subscription.qos = 0
      done(null, null)
    },
  }
}

function divert(packet: PublishPacket): void {
  packet.topic = DENIED_TOPIC
  packet.payload = Buffer.alloc(0)
  packet.retain = false
}

function toAuthenticateError(reason: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(reason), { returnCode }) as AuthenticateError
}

function countSubscriptions(client: Client): number {
  return Object.keys((client as Client & { subscriptions: object }).subscriptions).length
}
