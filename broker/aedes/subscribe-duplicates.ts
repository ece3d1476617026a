import type { EventEmitter } from 'node:events'
import type { Client } from 'aedes'

interface SubscribePacket {
  cmd: string
  subscriptions?: { topic: string }[]
}

/**
 * Keeps the filters of a SUBSCRIBE that are named twice. Aedes replaces the list of the packet by one without them, so that
 * the SUBACK has too few return codes [MQTT-3.8.4-5]; the client then closes the connection, or takes one code for another.
 */
export function keepDuplicateFilters(client: Client): void {
  const { _parser: parser } = client as Client & { _parser: EventEmitter }
  // before Aedes's own listener
  parser.prependListener('packet', (packet: SubscribePacket) => {
    const { subscriptions = [] } = packet
    // also without duplicates: the object in which Aedes finds them has no place for the filter `__proto__`
    if (packet.cmd !== 'subscribe' || subscriptions.length < 2) return
    Object.defineProperty(packet, 'subscriptions', { get: () => subscriptions, set() {} })
  })
}
