import type { AedesPublishPacket, Client } from 'aedes'
import { matches } from '../protocol/topics.ts'

type Deliver = (packet: AedesPublishPacket, done: (err?: Error) => void) => void

/** Members of an Aedes client that its typings lack. */
type DeliveringClient = Client & {
  deliver0: Deliver
  subscriptions: Record<string, { qos: number }>
}

/** The highest QoS that the client's subscriptions grant to a topic; undefined if none matches. */
export function grantedQos(client: Client, topic: string): number | undefined {
  const { subscriptions } = client as DeliveringClient
  let granted: number | undefined
  for (const filter in subscriptions) {
    if (matches(filter, topic)) granted = Math.max(granted ?? 0, subscriptions[filter]?.qos ?? 0)
  }
  return granted
}

/**
 * Delivers at the highest QoS of all matching subscriptions [MQTT-3.3.5-1]: with overlapping filters Aedes takes the one
 * that it visits first. Call before the client's session is restored.
 */
export function preferHighestQos(client: Client): void {
  const delivering = client as DeliveringClient
  const deliver0 = delivering.deliver0
  delivering.deliver0 = (packet, done) => {
    // its subscription of a higher QoS delivers it
    if (packet.qos > 0 && (grantedQos(client, packet.topic) ?? 0) > 0) setImmediate(done)
    else deliver0(packet, done)
  }
}
