import type { Aedes, Client } from 'aedes'
import { MAX_SUBSCRIPTIONS } from '../protocol/packets.ts'

interface SubscriptionPersistence {
  addSubscriptions(client: { id: string }, filters: readonly { topic: string }[]): Promise<unknown>
  subscriptionsByClient(client: { id: string }): Promise<readonly object[]>
  cleanSubscriptions(client: { id: string }): Promise<unknown>
  cleanIncoming(client: { id: string }): Promise<unknown>
}

/** Stands for a session without subscriptions; no client may subscribe to it. */
export const EMPTY_SESSION = '$session'

/**
 * Bounds what Aedes stores for sessions. For each accepted filter of a SUBSCRIBE it stores all filters of the packet, also the
 * denied ones, which it does not count: a session could grow without limit. It also reports a session without
 * subscriptions as not present [MQTT-3.2.2-2].
 */
export class StoredSessions {
  readonly #stored = new WeakSet<readonly object[]>()
  readonly #ids = new Set<string>()
  #persistence: SubscriptionPersistence | undefined

  /** `mayStore`: whether the client may subscribe to this filter. */
  install(aedes: Aedes, mayStore: (client: Client, filter: string) => boolean): void {
    const { persistence } = aedes as Aedes & { persistence: SubscriptionPersistence }
    this.#persistence = persistence
    const add = persistence.addSubscriptions.bind(persistence)
    const read = persistence.subscriptionsByClient.bind(persistence)
    const clean = persistence.cleanSubscriptions.bind(persistence)
    // Aedes calls it once for each accepted CONNECT without clean session
    persistence.subscriptionsByClient = async (client) => {
      const subscriptions = await read(client)
      const isPresent = this.#ids.has(client.id)
      this.#ids.add(client.id)
      return subscriptions.length === 0 && isPresent ? [{ topic: EMPTY_SESSION, qos: 0 }] : subscriptions
    }
    persistence.cleanSubscriptions = (client) => {
      this.#ids.delete(client.id)
      return clean(client)
    }
    persistence.addSubscriptions = async (client, filters) => {
      if (!('conn' in client)) return add(client, filters) // of the users file
      if (this.#stored.has(filters)) return
      this.#stored.add(filters)
      const allowed = filters.filter(({ topic }) => mayStore(client as Client, topic))
      const { length } = await read(client)
      return add(client, allowed.slice(0, Math.max(0, MAX_SUBSCRIPTIONS - length)))
    }
  }

  /** A client is accepted whose session will be stored, also where Aedes has not looked for one: MQTT 5 with clean start. */
  connected({ id, clean }: Client): void {
    if (!clean) this.#ids.add(id)
  }

  /** Deletes the session of a client that is not connected. */
  discard(id: string): void {
    // in memory: neither can fail
    void this.#persistence?.cleanSubscriptions({ id })
    void this.#persistence?.cleanIncoming({ id })
  }
}
