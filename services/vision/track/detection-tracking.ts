/** Tracks: detections become tracks with labels, zones and predicted boxes, published on the bus and drawn by the overlay. */
import type { Bus } from '#bus/bus.ts'
import type { Detections } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { toEpoch } from '#lib/media/wall-clock.ts'
import type { DetectorSection, VisionSection } from '../config.ts'
import type { Candidate } from '../detect/nms.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { DetectionEvents } from './detection-events.ts'
import type { Profiles } from './profiles.ts'
import { TrackEvents } from './track-events.ts'
import { Tracker } from './tracker.ts'

interface DetectionTrackingOptions {
  bus: Bus
  zones: VisionSection['zones']
  profiles: Profiles
  settings: DetectorSection
}

/** How often tracks expire while there are no inferences. */
const EXPIRE_INTERVAL_MS = 500

/** Turns inferences into tracks and publishes `vision/detections`, `vision/track` and `event/detection`. */
export class DetectionTracking implements Disposable {
  readonly #bus: Bus
  readonly #tracker: Tracker
  readonly #trackEvents: TrackEvents
  readonly #detectionEvents: DetectionEvents
  #labels: readonly string[] = []
  #timer: NodeJS.Timeout | undefined

  constructor({ bus, zones, profiles, settings }: DetectionTrackingOptions) {
    this.#bus = bus
    this.#tracker = new Tracker(thresholdsOf(settings), zones)
    this.#detectionEvents = new DetectionEvents(bus, profiles)
    this.#trackEvents = new TrackEvents({
      toEpoch,
      publish: (event) => void bus.publish(topics.track, event).catch(() => {}), // the bus logs it
    })
    this.configure(settings)
  }

  /** Number of visible tracks of the configured labels. */
  get count(): number {
    return this.#visible(performance.now()).length
  }

  /** Applies changed labels and thresholds from the next inference on. */
  configure(settings: DetectorSection): void {
    this.#labels = settings.labels
    this.#trackEvents.labels = settings.labels
    this.#tracker.thresholds = thresholdsOf(settings)
  }

  start(): void {
    this.#timer = setInterval(() => this.#expire(), EXPIRE_INTERVAL_MS).unref()
  }

  /** Adds an inference. */
  update(candidates: readonly Candidate[], captured: CapturedFrame, inferenceMs: number): void {
    const { at, index } = captured
    const { detected, ended } = this.#tracker.update(candidates, at)
    const objects: Detections['objects'] = detected
      .filter(({ track }) => this.#isWanted(track.label))
      .map(({ track, candidate: { score, box } }) => ({
        label: track.label,
        score,
        box,
        track_id: track.confirmed ? track.id : null,
      }))
    this.#trackEvents.end(ended)
    this.#trackEvents.update(this.#tracker.tracks, at)
    this.#detectionEvents.detected(objects)
    this.#reportLost()
    void this.#bus.publish(topics.detections, {
      frame: index,
      captured_at: Math.round(toEpoch(at)),
      inference_ms: Math.round(inferenceMs * 10) / 10,
      objects,
    })
  }

  /** Objects to draw on a frame captured `at`, with their boxes predicted to that time. */
  objectsAt(at: number): Detections['objects'] {
    return this.#visible(at).map(({ track, box }) => ({
      label: track.label,
      score: track.score,
      box,
      track_id: track.id,
    }))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#trackEvents.end(this.#tracker.clear())
  }

  #expire(): void {
    this.#trackEvents.end(this.#tracker.expire(performance.now()))
    this.#reportLost()
  }

  #reportLost(): void {
    this.#detectionEvents.tracked(new Set(this.#tracker.tracks.map(({ label }) => label)))
  }

  #visible(at: number) {
    return this.#tracker.boxesAt(at).filter(({ track }) => this.#isWanted(track.label))
  }

  #isWanted(label: string): boolean {
    return this.#labels.length === 0 || this.#labels.includes(label)
  }
}

function thresholdsOf({ min_score, min_scores, keep_score }: DetectorSection) {
  return { minScore: min_score, minScores: min_scores, keepScore: keep_score }
}
