import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { encodeAccessUnit } from '#bus/access-unit.ts'
import type { Bus } from '#bus/bus.ts'
import { LAYERS, type Layer } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'

const FPS = 15
/** Frames between two keyframes, and in the loop. */
const KEYFRAME_INTERVAL = 30
const SECONDS = 8
/** bit/s and height of each layer, as vision encodes them. */
const ENCODED: Record<Layer, { size: string; bitrate: number }> = {
  high: { size: '1280x720', bitrate: 1_500_000 },
  medium: { size: '960x540', bitrate: 900_000 },
  low: { size: '640x360', bitrate: 400_000 },
}

interface CannedFrame {
  keyframe: boolean
  data: Buffer
}

/** H.264 made once by ffmpeg with the settings of vision, so that encoding costs nothing while CPU is measured. */
async function encode(layer: Layer): Promise<CannedFrame[]> {
  const { size, bitrate } = ENCODED[layer]
  const input = `testsrc2=size=${size}:rate=${FPS}:duration=${SECONDS},noise=alls=12:allf=t`
  const x264 = `aud=1:scenecut=0:repeat-headers=1:nal-hrd=cbr:filler=1`
  const { stdout } = await promisify(execFile)(
    'ffmpeg',
    // biome-ignore format: option and value
    ['-v', 'error', '-f', 'lavfi', '-i', input, '-c:v', 'libx264', '-preset', 'superfast', '-tune', 'zerolatency',
      '-profile:v', 'baseline', '-pix_fmt', 'yuv420p', '-g', `${KEYFRAME_INTERVAL}`, '-b:v', `${bitrate}`, '-maxrate', `${bitrate}`,
      '-bufsize', `${bitrate / 5}`, '-x264-params', x264, '-f', 'h264', '-'],
    { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 },
  )
  return splitAtDelimiters(stdout)
}

/** Each access unit starts with an access unit delimiter (NAL unit type 9). */
function splitAtDelimiters(stream: Buffer): CannedFrame[] {
  const delimiter = Buffer.from([0, 0, 0, 1, 9])
  const frames: CannedFrame[] = []
  for (let from = 0; from < stream.length; ) {
    const next = stream.indexOf(delimiter, from + 1)
    const data = stream.subarray(from, next < 0 ? stream.length : next)
    frames.push({ data, keyframe: frames.length % KEYFRAME_INTERVAL === 0 })
    from += data.length
  }
  return frames
}

function nextKeyframe(at: number): number {
  return Math.ceil(at / KEYFRAME_INTERVAL) * KEYFRAME_INTERVAL
}

export interface CannedVideo extends Disposable {
  /** Receives each access unit of `high`. */
  onFrame: (data: Buffer) => void
}

/** Publishes the layers in demand, 15 frames a second, and continues at a keyframe when one is requested. */
export async function playCannedVideo(bus: Bus): Promise<CannedVideo> {
  const video: CannedVideo = { onFrame: () => undefined, [Symbol.dispose]: () => clearTimeout(timer) }
  let timer: NodeJS.Timeout
  const layers = new Map<Layer, { frames: CannedFrame[]; at: number; counter: number }>()
  for (const layer of LAYERS) layers.set(layer, { frames: await encode(layer), at: 0, counter: 0 })
  let demanded: readonly string[] = []
  await bus.subscribe(
    topics.demand,
    (demand) => {
      const before = demanded
      demanded = Object.keys(demand?.layers ?? {})
      // a new encoder starts with a keyframe
      for (const [layer, played] of layers) if (!before.includes(layer)) played.at = nextKeyframe(played.at)
    },
    { who: 'webrtc' },
  )
  await bus.subscribe(topics.keyframe, (_, { params }) => {
    const played = layers.get(params.layer as Layer)
    if (played) played.at = nextKeyframe(played.at)
  })
  const start = performance.now()
  let tick = 0
  const play = () => {
    const now = Date.now()
    for (const [layer, played] of layers) {
      const { data } = played.frames[played.at % played.frames.length] ?? {}
      if (!data) continue
      played.at++
      if (layer === 'high') video.onFrame(data)
      if (!demanded.includes(layer)) continue
      const unit = encodeAccessUnit({
        capturedAt: BigInt(now) * 1000n,
        rtpTimestamp: (now * 90) % 2 ** 32,
        frame: played.counter++,
        data,
      })
      void bus.publish(topics.video, unit, { layer })
    }
    tick++
    timer = setTimeout(play, Math.max(0, start + (tick * 1000) / FPS - performance.now()))
  }
  play()
  return video
}
