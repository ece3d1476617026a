import type { Aedes } from 'aedes'
import { REASON } from '../protocol/packet-body.ts'

interface IncomingClient {
  id: string
  version: number
  disconnect(options: { reasonCode: number }): void
}

interface IncomingPersistence {
  incomingStorePacket(client: IncomingClient, packet: { messageId: number }): Promise<void>
  incomingGetPacket(client: { id: string }, packet: { messageId: number }): Promise<object>
  incomingDelPacket(client: { id: string }, packet: { messageId: number }): Promise<void>
  cleanIncoming(client: { id: string }): Promise<void>
}

/**
 * QoS 2 messages of one session without a PUBREL, across its connections; for MQTT 5 the Receive Maximum of the CONNACK.
 */
export const MAX_INBOUND_QOS2 = 100

/**
 * Stores only the packet ids of received QoS 2 messages. Aedes stores the messages, which it never reads again, and limits
 * their number per connection instead of per session, so that a session could retain gigabytes.
 */
export function patchIncomingQos2(aedes: Aedes): void {
  const { persistence } = aedes as Aedes & { persistence: IncomingPersistence }
  const sessions = new Map<string, Set<number>>()
  const unknown = () => Promise.reject(new Error('no such packet'))
  const own: IncomingPersistence = {
    incomingStorePacket(client, { messageId }) {
      const { id } = client
      const ids = sessions.get(id) ?? new Set()
      if (ids.size >= MAX_INBOUND_QOS2) return refuse(client)
      sessions.set(id, ids.add(messageId))
      return Promise.resolve()
    },
    incomingGetPacket({ id }, packet) {
      return sessions.get(id)?.has(packet.messageId) ? Promise.resolve(packet) : unknown()
    },
    incomingDelPacket({ id }, { messageId }) {
      const ids = sessions.get(id)
      if (!ids?.delete(messageId)) return unknown()
      if (ids.size === 0) sessions.delete(id)
      return Promise.resolve()
    },
    cleanIncoming({ id }) {
      sessions.delete(id)
      return Promise.resolve()
    },
  }
  Object.assign(persistence, own)
}

/** Ends the connection: a client of MQTT 5 gets the reason, for which it must not be destroyed at once. */
function refuse(client: IncomingClient): Promise<never> {
  if (client.version !== 5) return Promise.reject(new Error('too many QoS 2 messages without PUBREL'))
  client.disconnect({ reasonCode: REASON.receiveMaximumExceeded })
  return new Promise(() => {})
}
