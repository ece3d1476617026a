import { z } from 'zod'
import type { Layer } from '#bus/messages.ts'
import { type LayerLadder, layerLadder } from '#lib/layer-ladder.ts'
import type { Mode } from './layer-choice.ts'

/** What the sessions of this process share about the quality of the video. */
export interface Quality {
  readonly ladder: LayerLadder
  /** What viewers asked for last: the next session begins with it (F04). */
  mode: Mode
  /** `1280x720`: of its pictures as vision says, else as large as they should be. */
  resolution(layer: Layer): string
  /** Takes over what `vision/state` says of a layer. */
  tell(layers: unknown): void
}

/** The size of each layer's pictures: smaller than usual where the camera is, or where the machine does not keep up. */
const PictureSize = z.looseObject({ width: z.int().optional(), height: z.int().optional() }).optional()
const Sizes = z.looseObject({ high: PictureSize, medium: PictureSize, low: PictureSize })

/** `video`: size of the captured picture, and bitrate at best. */
export function createQuality(video: { width: number; height: number; bitrate_kbps: number }): Quality {
  const ladder = layerLadder(video.bitrate_kbps * 1000)
  let told: Partial<Record<Layer, z.infer<typeof PictureSize>>> = {}
  return {
    ladder,
    mode: 'auto',
    tell(layers) {
      told = Sizes.safeParse(layers).data ?? {}
    },
    resolution(layer) {
      const { width, height } = told[layer] ?? {}
      if (width && height) return `${width}x${height}`
      const box = ladder[layer]
      const scale = Math.min(1, box.width / video.width, box.height / video.height)
      const even = (length: number) => 2 * Math.round((length * scale) / 2)
      return `${even(video.width)}x${even(video.height)}`
    },
  }
}

/** What the data channel says as `video_quality` (API_CONTRACT 3.3). */
export interface VideoQuality {
  tier: Layer
  resolution: string
  bitrate_kbps: number
  /** Percent, one decimal. */
  loss_pct: number
  rtt_ms: number
  /** 0..4 */
  bars: number
  mode: 'auto' | 'manual'
}

/** 4, one less for each limit that is passed; 0 until the first report. `loss` 0..1, `rtt` in ms. API_CONTRACT 3.3. */
export function barsOf(received: { loss: number; rtt: number | undefined } | undefined): number {
  if (!received) return 0
  const { loss, rtt = 0 } = received
  return 4 - [loss > 0.02, loss > 0.08, rtt > 300, rtt > 600].filter(Boolean).length
}
