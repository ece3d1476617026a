import type { Bus } from '#bus/bus.ts'
import type { Detections } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Profiles } from './profiles.ts'

/** The relay wants at most one event per label in this time, ms (API_CONTRACT 2.4). */
const EVERY = 5_000

type Seen = Detections['objects'][number]

/** Tells the apps of what is seen, through `event/detection`: the best of each label, now and then. */
export function createDetectionEvents(
  bus: Pick<Bus, 'publish'>,
  profiles: Pick<Profiles, 'dogOf'>,
  now: () => number = performance.now.bind(performance),
) {
  const last = new Map<string, number>()
  const tell = ({ label, score, box }: Seen) => {
    const dog = profiles.dogOf(label)
    const event = {
      detected: true,
      label,
      confidence: Math.round(score * 1000) / 1000,
      box,
      ...(dog && { dog_id: dog.dog_id, dog_name: dog.name }),
    }
    bus.publish(topics.event, event, { name: 'detection' }).catch(() => {}) // the bus warns
  }
  return (objects: readonly Seen[]): void => {
    const best = new Map<string, Seen>()
    for (const object of objects) {
      const other = best.get(object.label)
      if (!other || object.score > other.score) best.set(object.label, object)
    }
    for (const [label, object] of best) {
      if (now() - (last.get(label) ?? -EVERY) < EVERY) continue
      last.set(label, now())
      tell(object)
    }
  }
}
