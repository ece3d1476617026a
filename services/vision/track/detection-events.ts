import type { Bus } from '#bus/bus.ts'
import type { Detections } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Profiles } from './profiles.ts'

/** Shortest time between two events of a label, as the relay protocol asks (docs/relay-protocol.md). */
const INTERVAL_MS = 5_000

type Detection = Detections['objects'][number]

/** Publishes `event/detection` for the apps: the best detection of each label, rate-limited. */
export function createDetectionEvents(
  bus: Pick<Bus, 'publish'>,
  profiles: Pick<Profiles, 'dogOf'>,
  now: () => number = performance.now.bind(performance),
) {
  const lastPublished = new Map<string, number>()
  const publish = ({ label, score, box }: Detection) => {
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
  return (objects: readonly Detection[]): void => {
    const best = new Map<string, Detection>()
    for (const object of objects) {
      const other = best.get(object.label)
      if (!other || object.score > other.score) best.set(object.label, object)
    }
    for (const [label, object] of best) {
      if (now() - (lastPublished.get(label) ?? -INTERVAL_MS) < INTERVAL_MS) continue
      lastPublished.set(label, now())
      publish(object)
    }
  }
}
