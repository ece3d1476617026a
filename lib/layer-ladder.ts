import type { Layer } from '#bus/messages.ts'

/** One layer of the video: the largest frame size and the usual bitrate (bit/s). */
interface LayerSpec {
  width: number
  height: number
  bitrate: number
}

/** Frame sizes and bitrates of the layers, shared by vision (what it encodes) and webrtc (what it demands and reports). */
export type LayerLadder = Readonly<Record<Layer, LayerSpec>>

/** The ladder below a `high` layer of this bitrate (bit/s): a low configured bitrate lowers the others in proportion. */
export function layerLadder(bitrate: number): LayerLadder {
  return {
    high: { width: 1280, height: 720, bitrate },
    medium: { width: 960, height: 540, bitrate: Math.min(900_000, bitrate * 0.6) },
    low: { width: 640, height: 360, bitrate: Math.min(400_000, bitrate * (4 / 15)) },
  }
}
