import type { Aedes, AedesPublishPacket, Client } from 'aedes'

type Deliver = (packet: AedesPublishPacket, done: (err?: Error) => void) => void

/** Aedes calls `deliverQoS` for each message of a subscription with QoS 1 or 2; its typings lack it. */
type DeliveringClient = Client & { deliverQoS: Deliver }

interface Resuming {
  /** Messages that arrived while the queue was being sent. */
  held: { packet: AedesPublishPacket; done: (err?: Error) => void }[]
  /** Messages of the queue that have been sent, by {@link keyOf}. */
  sent: Set<string>
  /** The queue has been sent. */
  ended: boolean
}

/** By then Aedes has delivered every message that was published while the queue was being sent. */
const FORGET_AFTER_MS = 60_000

/**
 * Preserves the message order for a client that resumes its session [MQTT-4.6.0-6]: Aedes sends queued and new messages
 * concurrently, and some of them twice. Here new messages are held until the queue has been sent, and messages that were
 * in the queue are not sent again.
 */
export class ResumedSessions {
  readonly #resuming = new Map<Client, Resuming>()

  /** Call for each client before it is accepted. */
  connecting(client: Client, clean: boolean): void {
    if (clean) return
    const delivering = client as DeliveringClient
    const deliver = delivering.deliverQoS
    this.#resuming.set(client, { held: [], sent: new Set(), ended: false })
    delivering.deliverQoS = (packet, done) => {
      const resuming = this.#resuming.get(client)
      if (resuming?.sent.has(keyOf(packet))) done()
      else if (resuming && !resuming.ended) resuming.held.push({ packet, done })
      else deliver(packet, done)
    }
    client.conn.once('close', () => {
      // held messages are still in its queue and are delivered on its next connection
      this.#end(client, (_packet, done) => done())
      this.#resuming.get(client)?.sent.clear()
      this.#resuming.delete(client)
    })
  }

  /** Call for each message before it is sent. */
  sending(client: Client, packet: AedesPublishPacket): void {
    const resuming = this.#resuming.get(client)
    if (resuming && !resuming.ended) resuming.sent.add(keyOf(packet))
  }

  /** Releases the held messages of a client when Aedes has sent its queue. */
  install(aedes: Aedes): void {
    aedes.on('clientReady', (client) => this.#end(client, (client as DeliveringClient).deliverQoS))
  }

  #end(client: Client, deliver: Deliver): void {
    const resuming = this.#resuming.get(client)
    if (!resuming || resuming.ended) return
    resuming.ended = true
    for (const { packet, done } of resuming.held.splice(0)) {
      if (resuming.sent.has(keyOf(packet))) done()
      else deliver(packet, done)
    }
    setTimeout(() => resuming.sent.clear(), FORGET_AFTER_MS).unref()
  }
}

function keyOf({ brokerId, brokerCounter }: AedesPublishPacket): string {
  return `${brokerId}:${brokerCounter}`
}
