import type { Bus } from '#bus/bus.ts'
import type { VisionState } from '#bus/messages.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Camera } from './camera/camera.ts'
import type { Detector } from './detect/detector.ts'
import type { LayerEncoders } from './encode/layer-encoders.ts'
import type { OverloadControl } from './encode/overload-control.ts'
import type { VisionMetrics } from './metrics.ts'
import type { OverlayRenderer } from './overlay/overlay-renderer.ts'
import type { DetectionTracking } from './track/detection-tracking.ts'

/** Interval of `vision/state` without changes: rates and ages in it go stale. */
const INTERVAL_MS = 5_000

interface Sources {
  bus: Bus
  camera: Pick<Camera, 'summary'>
  detector: Pick<Detector, 'summary'>
  tracking: Pick<DetectionTracking, 'count'>
  overlay: Pick<OverlayRenderer, 'enabled'>
  layers: Pick<LayerEncoders, 'summary'>
  overload: Pick<OverloadControl, 'summary'>
  metrics: Pick<VisionMetrics, 'stages'>
  drops: Pick<EventCounter, 'totals'>
}

/** Publishes `vision/state`: on changes, several of one turn at once, and periodically. */
export class StatePublisher implements Disposable {
  readonly #sources: Sources
  #timer: NodeJS.Timeout | undefined
  #scheduled = false

  constructor(sources: Sources) {
    this.#sources = sources
  }

  /** Publishes for the first time. Changes before that are not published. */
  start(): void {
    this.#timer = setInterval(() => this.#publish(), INTERVAL_MS).unref()
    this.#publish()
  }

  changed(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      if (this.#timer) this.#publish()
    })
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #publish(): void {
    const { bus, camera, detector, tracking, overlay, layers, overload, metrics, drops } = this.#sources
    bus.setState({
      ...camera.summary,
      detector: detector.summary,
      tracks: tracking.count,
      overlay: overlay.enabled,
      layers: layers.summary,
      load: overload.summary,
      latency_ms: metrics.stages.summary,
      dropped: drops.totals,
    } satisfies Omit<VisionState, 'state' | 'version' | 'since'>)
  }
}
