import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import type { Planes } from '../image/pixels.ts'
import type { VisionMetrics } from '../metrics.ts'
import { createLayers, type Layers } from './layer-encoders.ts'
import { watchLoad } from './overload-control.ts'

interface VideoOptions {
  bus: Bus
  log: Logger
  drops: EventCounter
  metrics: Pick<VisionMetrics, 'encoded' | 'stages'>
  fps: number
  /** bit/s of the high layer. */
  bitrate: number
  /** Draws on a picture. */
  paint(planes: Planes, captured: CapturedFrame): void
  /** The detector, whose rate falls before the pictures get smaller. */
  detection(): { ok: boolean; slowDown(share: number): void }
  onChange(): void
}

/** The layers of the video as the bus has them, within what this machine can do. */
export interface Video extends AsyncDisposable {
  readonly layers: Layers
  /** What `vision/state` says of them. */
  readonly summary: Record<string, unknown>
}

export function createVideo({
  bus,
  bitrate,
  fps,
  detection,
  metrics,
  onChange,
  ...options
}: VideoOptions): Video {
  using stack = new DisposableStack()
  const load = stack.use(
    watchLoad({
      log: options.log,
      detecting: () => detection().ok,
      onRelief({ detection: share, steps }) {
        layers.reduce(steps)
        detection().slowDown(share)
        onChange()
      },
    }),
  )
  const layers: Layers = createLayers(
    { bitrate, fps },
    {
      ...options,
      load: {
        published(encoded) {
          load.published(encoded)
          metrics.encoded(encoded)
        },
        dropped: () => load.dropped(),
      },
      publish: (layer, codec, unit) =>
        bus.publish(codec === 'vp8' ? topics.videoVp8 : topics.video, unit, { layer }),
    },
  )
  const owned = stack.move()
  return {
    layers,
    get summary() {
      return { layers: layers.summary, load: load.summary, latency_ms: metrics.stages.summary }
    },
    async [Symbol.asyncDispose]() {
      owned[Symbol.dispose]()
      await layers[Symbol.asyncDispose]()
    },
  }
}
