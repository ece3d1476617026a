import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'

const Snapshot = z.looseObject({
  profiles: z.array(z.looseObject({ dog_id: z.string(), name: z.string().nullish() })),
})

/** Dog profiles of the owner, by the retained `cloud/profiles`; each snapshot replaces the one before. */
export interface Profiles extends Disposable {
  /** The dog of a detection with this label; undefined unless there is exactly one profile. */
  dogOf(label: string): { dog_id: string; name: string } | undefined
  /** Subscribes. */
  start(): Promise<void>
}

export function createProfiles(bus: Bus): Profiles {
  const stack = new DisposableStack()
  let only: { dog_id: string; name: string } | undefined
  return {
    dogOf: (label) => (label === 'dog' ? only : undefined),
    async start() {
      const onSnapshot = (message: Record<string, unknown>) => {
        const dogs = Snapshot.safeParse(message).data?.profiles ?? []
        const [dog] = dogs
        only = dog?.name && dogs.length === 1 ? { dog_id: dog.dog_id, name: dog.name } : undefined
      }
      stack.use(await bus.subscribe(topics.cloudProfiles, onSnapshot))
    },
    [Symbol.dispose]: () => stack.dispose(),
  }
}
