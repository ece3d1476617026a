import type { Aedes, AedesPublishPacket, Client } from 'aedes'

type Deliver = (packet: AedesPublishPacket, done: (err?: Error) => void) => void

/** What Aedes calls for each message of a subscription with QoS 1; it is no part of its typings. */
type Delivering = Client & { deliverQoS: Deliver }

interface Resuming {
  /** Messages that came while the queue was sent. */
  held: { packet: AedesPublishPacket; done: (err?: Error) => void }[]
  /** Messages of the queue that were sent, by {@link keyOf}. */
  sent: Set<string>
  /** The queue is sent. */
  ended: boolean
}

/** After this long nothing of the queue's time comes any more: Aedes delivers 100 messages at once, the rest wait. */
const FORGET_AFTER = 60_000

/**
 * Keeps the order of messages for a client that resumes its session: Aedes sends it the messages of its absence and
 * new ones at the same time, and some of them twice, although the order must be kept [MQTT-4.6.0-6]. New ones wait
 * here until the queue is sent, and those that were in it are not sent again.
 */
export class ResumedSessions {
  readonly #resuming = new Map<Client, Resuming>()

  /** Call for each client before it is let in. */
  connecting(client: Client, clean: boolean): void {
    if (clean) return
    const delivering = client as Delivering
    const deliver = delivering.deliverQoS
    this.#resuming.set(client, { held: [], sent: new Set(), ended: false })
    delivering.deliverQoS = (packet, done) => {
      const resuming = this.#resuming.get(client)
      if (resuming?.sent.has(keyOf(packet))) done()
      else if (resuming && !resuming.ended) resuming.held.push({ packet, done })
      else deliver(packet, done)
    }
    client.conn.once('close', () => {
      // what was held is in its queue still, and comes with its next connection
      this.#end(client, (_packet, done) => done())
      this.#resuming.get(client)?.sent.clear()
      this.#resuming.delete(client)
    })
  }

  /** Call for each message that is about to be sent. */
  sending(client: Client, packet: AedesPublishPacket): void {
    const resuming = this.#resuming.get(client)
    if (resuming && !resuming.ended) resuming.sent.add(keyOf(packet))
  }

  /** Follows the broker's clients. */
  follow(aedes: Aedes): void {
    aedes.on('clientReady', (client) => this.#end(client, (client as Delivering).deliverQoS))
  }

  #end(client: Client, deliver: Deliver): void {
    const resuming = this.#resuming.get(client)
    if (!resuming || resuming.ended) return
    resuming.ended = true
    for (const { packet, done } of resuming.held.splice(0)) {
      if (resuming.sent.has(keyOf(packet))) done()
      else deliver(packet, done)
    }
    setTimeout(() => resuming.sent.clear(), FORGET_AFTER).unref()
  }
}

function keyOf({ brokerId, brokerCounter }: AedesPublishPacket): string {
  return `${brokerId}:${brokerCounter}`
}
