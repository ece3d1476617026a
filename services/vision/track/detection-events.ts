import type { Bus } from '#bus/bus.ts'
import type { Detections } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Profiles } from './profiles.ts'

/** Shortest time between two events of a label, as the relay protocol asks (docs/relay-protocol.md). */
const INTERVAL_MS = 5_000

type Detection = Detections['objects'][number]

/** Publishes `event/detection` for the apps: the best detection of each label, and `detected: false` when it is lost. */
export class DetectionEvents {
  readonly #bus: Pick<Bus, 'publish'>
  readonly #profiles: Pick<Profiles, 'dogOf'>
  readonly #now: () => number
  /** Last event of each label. */
  readonly #last = new Map<string, { at: number; detected: boolean }>()

  constructor(bus: Pick<Bus, 'publish'>, profiles: Pick<Profiles, 'dogOf'>, now = () => performance.now()) {
    this.#bus = bus
    this.#profiles = profiles
    this.#now = now
  }

  /** Call after each inference with its detections. */
  detected(objects: readonly Detection[]): void {
    const best = new Map<string, Detection>()
    for (const object of objects) {
      const other = best.get(object.label)
      if (!other || object.score > other.score) best.set(object.label, object)
    }
    for (const [label, { score, box }] of best) {
      this.#publish(label, { detected: true, confidence: Math.round(score * 1000) / 1000, box })
    }
  }

  /**
   * Call when tracks may have ended, with the labels of all tracks. An app shows one badge for all labels, so only the
   * loss of the last dog, or of the last object of any label, clears it.
   */
  tracked(labels: ReadonlySet<string>): void {
    const shown = [...this.#last].filter(([, { detected }]) => detected).map(([label]) => label)
    for (const label of shown.filter((one) => !labels.has(one))) {
      const isLast = shown.every((other) => other === label || !labels.has(other))
      if (label === 'dog' || isLast) this.#publish(label, { detected: false })
    }
  }

  /** Publishes unless the last event of the label is too recent: then the next call does. */
  #publish(label: string, event: { detected: boolean; [field: string]: unknown }): void {
    const at = this.#now()
    if (at - (this.#last.get(label)?.at ?? Number.NEGATIVE_INFINITY) < INTERVAL_MS) return
    this.#last.set(label, { at, detected: event.detected })
    const dog = this.#profiles.dogOf(label)
    const payload = { ...event, label, ...(dog && { dog_id: dog.dog_id, dog_name: dog.name }) }
    this.#bus.publish(topics.event, payload, { name: 'detection' }).catch(() => {}) // the bus logs it
  }
}
