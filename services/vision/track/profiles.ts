import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'

const Snapshot = z.looseObject({
  profiles: z.array(z.looseObject({ dog_id: z.string(), name: z.string().nullish() })),
})

/** The owner's dogs. */
export interface Profiles extends Disposable {
  /** The dog that something with this label must be: there is but one. Undefined where nobody can tell. */
  dogOf(label: string): { dog_id: string; name: string } | undefined
}

/** Follows the retained `cloud/profiles`: the newest snapshot replaces all before (API_CONTRACT 2.1). */
export async function followProfiles(bus: Bus): Promise<Profiles> {
  let only: { dog_id: string; name: string } | undefined
  const subscription = await bus.subscribe(topics.cloudProfiles, (message) => {
    const dogs = Snapshot.safeParse(message).data?.profiles ?? []
    const [dog] = dogs
    only = dog?.name && dogs.length === 1 ? { dog_id: dog.dog_id, name: dog.name } : undefined
  })
  return {
    dogOf: (label) => (label === 'dog' ? only : undefined),
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  }
}
