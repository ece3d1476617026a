import type { Aedes, AedesPublishPacket, Client } from 'aedes'

type Deliver = (packet: AedesPublishPacket, done: (err?: Error) => void) => void

/** What Aedes calls for each message of a subscription with QoS 1; it is no part of its typings. */
type Delivering = Client & { deliverQoS: Deliver }

interface Resuming {
  /** Messages that came while the queue was sent. */
  held: { packet: AedesPublishPacket; done: (err?: Error) => void }[]
  /** Messages of the queue that were sent, by {@link keyOf}. */
  sent: Set<string>
}

/**
 * Keeps the order of messages for a client that resumes its session: Aedes sends it the messages of its absence and
 * new ones at the same time, and some of them twice, although the order must be kept [MQTT-4.6.0-6]. New ones wait
 * here until the queue is sent.
 */
export class ResumedSessions {
  readonly #resuming = new Map<Client, Resuming>()

  /** Call for each client before it is let in. */
  connecting(client: Client, clean: boolean): void {
    if (clean) return
    const delivering = client as Delivering
    const deliver = delivering.deliverQoS
    this.#resuming.set(client, { held: [], sent: new Set() })
    delivering.deliverQoS = (packet, done) => {
      const resuming = this.#resuming.get(client)
      if (resuming) resuming.held.push({ packet, done })
      else deliver(packet, done)
    }
    // what was held is in its queue still, and comes with its next connection
    client.conn.once('close', () => this.#end(client, (_packet, done) => done()))
  }

  /** Call for each message that is about to be sent. */
  sending(client: Client, packet: AedesPublishPacket): void {
    this.#resuming.get(client)?.sent.add(keyOf(packet))
  }

  /** Follows the broker's clients. */
  follow(aedes: Aedes): void {
    aedes.on('clientReady', (client) => this.#end(client, (client as Delivering).deliverQoS))
  }

  #end(client: Client, deliver: Deliver): void {
    const resuming = this.#resuming.get(client)
    this.#resuming.delete(client)
    for (const { packet, done } of resuming?.held ?? []) {
      if (resuming?.sent.has(keyOf(packet))) done()
      else deliver(packet, done)
    }
  }
}

function keyOf({ brokerId, brokerCounter }: AedesPublishPacket): string {
  return `${brokerId}:${brokerCounter}`
}
