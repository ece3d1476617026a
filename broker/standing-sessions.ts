import type { Aedes } from 'aedes'
import type { Users } from './users.ts'

interface Persistence {
  addSubscriptions(client: { id: string }, filters: { topic: string; qos: 1 }[]): Promise<void>
}

/**
 * Makes the sessions that `configs/broker.yaml` wants kept, as if their clients had been there and had gone: a broker that
 * was restarted has forgotten them, and what is said before they are back would be acknowledged and go nowhere. Not those
 * of the users in `absent`.
 */
export async function openStandingSessions(
  aedes: Aedes,
  { byName }: Users,
  absent: readonly string[],
): Promise<void> {
  const { persistence } = aedes as Aedes & { persistence: Persistence }
  for (const { name, sessions } of byName.values()) {
    if (absent.includes(name)) continue
    for (const [id, filters] of sessions) {
      await persistence.addSubscriptions(
        { id },
        filters.map((topic) => ({ topic, qos: 1 })),
      )
    }
  }
}
