import { LAYERS, type Layer, VIDEO_CODECS, type VideoCodec } from '#bus/messages.ts'
import { layerLadder } from '#lib/layer-ladder.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import type { Wanted } from './demand.ts'
import { type LayerOptions, LayerStream } from './layer-encoder.ts'

/** bit/s; a demand beyond these is brought to the nearest. */
const LEAST_BITRATE = 100_000
const MOST_BY_USUAL = 2

/** All layers of the video. */
export interface Layers extends AsyncDisposable {
  offer(captured: CapturedFrame): void
  /** Resolves when the pictures in hand are published. */
  settled(): Promise<unknown>
  /** Encodes these layers and no others from now on. Returns whether others than before. */
  want(wanted: Wanted): boolean
  requestKeyframe(layer: Layer): void
  /** From now on so many pictures a second. */
  setFps(fps: number): void
  /** Makes every layer's pictures no larger than those of the layer so many steps below it. */
  reduce(steps: number): void
  /** What `vision/state` says of each layer in demand. */
  readonly summary: Partial<Record<string, LayerStream['summary']>>
}

/** `bitrate` in bit/s: the usual one of the high layer. */
export function createLayers(
  { bitrate, fps }: { bitrate: number; fps: number },
  options: Omit<LayerOptions, 'name' | 'codec' | 'publish'> & {
    publish(layer: Layer, codec: VideoCodec, accessUnit: Buffer): Promise<void>
  },
): Layers {
  const ladder = layerLadder(bitrate)
  const streams = VIDEO_CODECS.flatMap((codec) =>
    LAYERS.map((name) => {
      const publish = (accessUnit: Buffer) => options.publish(name, codec, accessUnit)
      const stream = new LayerStream({ ...options, name, codec, publish }, { box: ladder[name], fps })
      return { name, codec, stream }
    }),
  )
  return {
    offer(captured) {
      for (const { stream } of streams) stream.offer(captured)
    },
    settled: () => Promise.all(streams.map(({ stream }) => stream.settled())),
    want(wanted) {
      let others = false
      for (const { name, codec, stream } of streams) {
        const asked = wanted[codec][name]
        others ||= stream.wanted !== (asked !== undefined)
        const most = ladder[name].bitrate * MOST_BY_USUAL
        stream.bitrate = asked && Math.round(Math.max(LEAST_BITRATE, Math.min(most, asked)))
      }
      return others
    },
    requestKeyframe(layer) {
      for (const { name, stream } of streams) if (name === layer) stream.requestKeyframe()
    },
    setFps(rate) {
      for (const { stream } of streams) stream.fps = rate
    },
    reduce(steps) {
      for (const { name, stream } of streams) stream.box = ladder[below(name, steps)]
    },
    get summary() {
      const wanted = streams.filter(({ stream }) => stream.wanted)
      return Object.fromEntries(
        wanted.map(({ name, codec, stream }) => [
          codec === 'h264' ? name : `${name}/${codec}`,
          stream.summary,
        ]),
      )
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(streams.map(({ stream }) => stream[Symbol.asyncDispose]()))
    },
  }
}

function below(layer: Layer, steps: number): Layer {
  return LAYERS[Math.min(LAYERS.length - 1, LAYERS.indexOf(layer) + steps)] ?? layer
}
