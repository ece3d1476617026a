import type { Bus } from '#bus/bus.ts'
import type { Detections } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { DetectorSection, VisionSection } from '../config.ts'
import type { Candidate } from '../detect/nms.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { toEpoch } from '../frame/wall-clock.ts'
import { createDetectionEvents } from './detection-events.ts'
import type { Profiles } from './profiles.ts'
import { TrackEvents } from './track-events.ts'
import { Tracker } from './tracker.ts'

interface SightOptions {
  bus: Bus
  zones: VisionSection['zones']
  profiles: Profiles
  /** The detector's settings as they are now. */
  settings(): DetectorSection
}

/** Tracks are looked after so often while there are no inferences, ms. */
const EXPIRE_EVERY = 500

/** What the detector sees becomes tracks, and what becomes of those is said on the bus. */
export class Sight implements Disposable {
  readonly #options: SightOptions
  readonly #tracker: Tracker
  readonly #events: TrackEvents
  readonly #tellApps: ReturnType<typeof createDetectionEvents>
  readonly #timer: NodeJS.Timeout

  constructor(options: SightOptions) {
    this.#options = options
    const { bus, zones, profiles, settings } = options
    this.#tracker = new Tracker({
      minScore: (label) => settings().min_scores[label] ?? settings().min_score,
      keepScore: () => settings().keep_score,
      zones,
    })
    this.#tellApps = createDetectionEvents(bus, profiles)
    this.#events = new TrackEvents({
      labels: () => settings().labels,
      toEpoch,
      publish: (event) => void bus.publish(topics.track, event).catch(() => {}), // the bus warns
    })
    this.#timer = setInterval(() => this.#events.end(this.#tracker.expire(performance.now())), EXPIRE_EVERY)
    this.#timer.unref()
  }

  /** How many things are followed now. */
  get count(): number {
    return this.#shown(performance.now()).length
  }

  /** Takes an inference into account and tells of it. */
  take(candidates: readonly Candidate[], captured: CapturedFrame, inferenceMs: number): void {
    const { at, index } = captured
    const { seen, ended } = this.#tracker.update(candidates, at)
    const objects: Detections['objects'] = seen
      .filter(({ track }) => this.#wants(track.label))
      .map(({ track, candidate: { score, box } }) => ({
        ...{ label: track.label, score, box },
        track_id: track.confirmed ? track.id : null,
      }))
    this.#events.end(ended)
    this.#events.update(this.#tracker.tracks, at)
    this.#tellApps(objects)
    void this.#options.bus.publish(topics.detections, {
      frame: index,
      captured_at: Math.round(toEpoch(at)),
      inference_ms: Math.round(inferenceMs * 10) / 10,
      objects,
    })
  }

  /** What to draw on a picture taken `at`, each where it is by then. */
  at(at: number): Detections['objects'] {
    return this.#shown(at).map(({ track, box }) => ({
      ...{ label: track.label, score: track.score, box },
      track_id: track.id,
    }))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#events.end(this.#tracker.clear())
  }

  #shown(at: number) {
    return this.#tracker.boxesAt(at).filter(({ track }) => this.#wants(track.label))
  }

  #wants(label: string): boolean {
    const { labels } = this.#options.settings()
    return labels.length === 0 || labels.includes(label)
  }
}
