import type { Bus } from '#bus/bus.ts'
import type { Detections } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'

/** The relay wants at most one event per label in this time, ms (API_CONTRACT 2.4). */
const EVERY = 5_000

/** Tells the apps of what is seen, through `event/detection`: the best of each label, now and then. */
export function createDetectionEvents(
  bus: Pick<Bus, 'publish'>,
  now: () => number = performance.now.bind(performance),
) {
  const last = new Map<string, number>()
  return (objects: Detections['objects']): void => {
    const best = new Map<string, Detections['objects'][number]>()
    for (const object of objects) {
      const other = best.get(object.label)
      if (!other || object.score > other.score) best.set(object.label, object)
    }
    for (const [label, { score, box }] of best) {
      if (now() - (last.get(label) ?? -EVERY) < EVERY) continue
      last.set(label, now())
      const confidence = Math.round(score * 1000) / 1000
      bus
        .publish(topics.event, { detected: true, label, confidence, box }, { name: 'detection' })
        .catch(() => {}) // the bus warns
    }
  }
}
