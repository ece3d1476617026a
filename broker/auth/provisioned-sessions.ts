import type { Aedes } from 'aedes'
import type { Broker } from '../broker.ts'
import type { Users } from './users.ts'

interface Persistence {
  addSubscriptions(client: { id: string }, filters: { topic: string; qos: 1 }[]): Promise<void>
  cleanSubscriptions(client: { id: string }): Promise<void>
}

/**
 * Creates the sessions that the users file lists, as if their clients had subscribed and disconnected. A restarted broker
 * has lost its sessions: without this, messages published before those clients reconnect would be acknowledged and lost.
 */
export class ProvisionedSessions {
  readonly #persistence: Persistence
  readonly #queues: Broker['queues']
  readonly #disabled: readonly string[]
  #current = new Map<string, string>()

  /** The users in `disabled` get no session: it would never be fetched. */
  constructor({ aedes, queues }: Pick<Broker, 'aedes' | 'queues'>, disabled: readonly string[]) {
    this.#persistence = (aedes as Aedes & { persistence: Persistence }).persistence
    this.#queues = queues
    this.#disabled = disabled
  }

  /** Creates the sessions of these users and deletes those that the previous users file listed in addition. */
  async apply({ byName }: Users): Promise<void> {
    const before = this.#current
    const users = [...byName.values()].filter(({ name }) => !this.#disabled.includes(name))
    const listed = users.flatMap(({ sessions }) => [...sessions])
    this.#current = new Map(listed.map(([id, filters]) => [id, filters.join(' ')]))
    this.#queues.protect(this.#current.keys())
    for (const [id, filters] of before) {
      if (this.#current.get(id) !== filters) await this.#persistence.cleanSubscriptions({ id })
    }
    for (const [id, filters] of listed) {
      if (before.get(id) === this.#current.get(id)) continue
      const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const }))
      await this.#persistence.addSubscriptions({ id }, subscriptions)
    }
  }
}
