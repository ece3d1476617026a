import type { AedesOptions, AuthenticateError, Client, PublishPacket } from 'aedes'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Access } from '../auth/authorizer.ts'
import { createRefusals } from '../auth/denial-log.ts'
import type { RetainedLedger } from '../limits/retained-quota.ts'
import { ownBytes } from './detach-buffer.ts'

/** Where refused messages go: nobody may subscribe to it. */
export const NOWHERE = '$refused'
/** Filters of one client, at most. */
const MOST_SUBSCRIPTIONS = 500
interface GateDeps {
  access: Access
  retained: RetainedLedger
  tally: EventCounter
  log: Logger
  prefix: string
}

type Gate = Required<Pick<AedesOptions, 'authenticate' | 'authorizePublish' | 'authorizeSubscribe'>>

/**
 * The doors of Aedes. A message that is refused goes nowhere, and its sender's session goes on: MQTT 3.1.1 §3.3.5 lets
 * the broker acknowledge it all the same, while an error here would close the connection. So do wills.
 */
export function createGate({ access, retained, tally, log, prefix }: GateDeps): Gate {
  const tell = createRefusals(log, prefix)
  const mayRetain = (client: Client, { topic, payload }: PublishPacket) =>
    retained.take(topic, payload.length, access.isNameless(client))
  return {
    authenticate(client, username, password, done) {
      access.login(client, username, password).then(
        (refusal) => (refusal ? done(errorOf(refusal.reason, refusal.code), false) : done(null, true)),
        (err: unknown) => {
          log.error({ err }, 'login failed')
          done(errorOf('failed inside the broker', 3), false)
        },
      )
    },
    authorizePublish(client, packet, done) {
      if (!client || !access.mayPublish(client, packet.topic)) {
        tally.count('publish_refused')
        tell(client, 'message', packet.topic)
        sendNowhere(packet)
      } else if (packet.retain && !mayRetain(client, packet)) {
        tally.count('retain_refused')
        tell(client, 'retain', packet.topic)
        packet.retain = false
      } else if (packet.retain) {
        packet.payload = ownBytes(packet.payload)
      }
      done(null)
    },
    authorizeSubscribe(client, subscription, done) {
      if (access.maySubscribe(client, subscription.topic) && subscriptionsOf(client) < MOST_SUBSCRIPTIONS) {
        return done(null, subscription)
      }
      tally.count('subscribe_refused')
      tell(client, 'subscription', subscription.topic)
      // Aedes keeps all filters of a packet for a stored session, also the refused: with QoS 0 it queues nothing for them
      subscription.qos = 0
      done(null, null)
    },
  }
}

function sendNowhere(packet: PublishPacket): void {
  packet.topic = NOWHERE
  packet.payload = Buffer.alloc(0)
  packet.retain = false
}

function errorOf(reason: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(reason), { returnCode }) as AuthenticateError
}

function subscriptionsOf(client: Client): number {
  return Object.keys((client as Client & { subscriptions: object }).subscriptions).length
}
