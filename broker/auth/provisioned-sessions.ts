import type { Aedes } from 'aedes'
import type { Broker } from '../broker.ts'
import type { Users } from './users.ts'

interface Persistence {
  addSubscriptions(client: { id: string }, filters: { topic: string; qos: 1 }[]): Promise<void>
  cleanSubscriptions(client: { id: string }): Promise<void>
}

/**
 * The sessions that `configs/broker.yaml` wants kept, as if their clients had been there and had gone: a broker that was
 * restarted has forgotten them, and what is said before they are back would be acknowledged and go nowhere.
 */
export class StandingSessions {
  readonly #persistence: Persistence
  readonly #queues: Broker['queues']
  readonly #absent: readonly string[]
  #kept = new Map<string, string>()

  /** Users in `absent` have none. */
  constructor({ aedes, queues }: Pick<Broker, 'aedes' | 'queues'>, absent: readonly string[]) {
    this.#persistence = (aedes as Aedes & { persistence: Persistence }).persistence
    this.#queues = queues
    this.#absent = absent
  }

  /** Keeps those of these users from now on, and no others. */
  async keep({ byName }: Users): Promise<void> {
    const before = this.#kept
    const users = [...byName.values()].filter(({ name }) => !this.#absent.includes(name))
    const wanted = users.flatMap(({ sessions }) => [...sessions])
    this.#kept = new Map(wanted.map(([id, filters]) => [id, filters.join(' ')]))
    this.#queues.protect(this.#kept.keys())
    for (const [id, filters] of before) {
      if (this.#kept.get(id) !== filters) await this.#persistence.cleanSubscriptions({ id })
    }
    for (const [id, filters] of wanted) {
      if (before.get(id) === this.#kept.get(id)) continue
      const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const }))
      await this.#persistence.addSubscriptions({ id }, subscriptions)
    }
  }
}
