import { encodeAccessUnit } from '#bus/access-unit.ts'
import type { Bus } from '#bus/bus.ts'
import { encodeIvf } from '#bus/ivf.ts'
import { type Demand, LAYERS } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'

/** Stands for the vision service: access units at its own pace, on demand, with keyframes when asked. */
export interface Camera extends Disposable {
  readonly demand: Demand[]
  /** Times of the keyframe requests, by performance.now(). */
  readonly asked: number[]
  /** Publishes one access unit at once. `skip` leaves a hole in the counter, `age` makes it old (ms). */
  shoot(options?: { keyframe?: boolean; skip?: number; age?: number; size?: number }): Promise<void>
  /** From now on 30 a second, while there is a demand. */
  roll(): void
}

const INTERVAL = 33
const START_CODE = Buffer.from([0, 0, 0, 1])
/** Level 3.1 constrained baseline, as our encoder makes them. */
const SPS = Buffer.from('6742c01fd9005005ba10000003001000000303c0f18319e0', 'hex')
const PPS = Buffer.from('68cb83cb20', 'hex')

/** One access unit with a picture of `size` bytes that holds no start code. */
export function accessUnit(keyframe: boolean, size: number): Buffer {
  const slice = Buffer.alloc(size, 0xa5)
  slice[0] = keyframe ? 0x65 : 0x41
  const units = keyframe ? [SPS, PPS, slice] : [slice]
  return Buffer.concat(units.flatMap((unit) => [START_CODE, unit]))
}

/** A demand may be for both codecs. */
function partsOf(demand: Demand | undefined) {
  return demand ? [demand, ...(demand.also ? [demand.also] : [])] : []
}

/** RFC 6386 §9.1: only the lowest bit of the first byte matters here. */
function vp8Frame(keyframe: boolean, size: number): Buffer {
  const frame = Buffer.alloc(size, 0xa5)
  frame[0] = keyframe ? 0x10 : 0x11
  return frame
}

export async function openCamera(bus: Bus): Promise<Camera> {
  let frame = 0
  let wantsKeyframe = true
  let timer: NodeJS.Timeout | undefined
  const camera: Camera = {
    demand: [],
    asked: [],
    async shoot({ keyframe = false, skip = 0, age = 0, size = 4_000 } = {}) {
      frame += skip
      const capturedAt = Date.now() - age
      const unit = {
        capturedAt: BigInt(capturedAt) * 1000n,
        rtpTimestamp: (capturedAt * 90) % 2 ** 32,
        frame: frame++,
        data: accessUnit(keyframe, keyframe ? size * 4 : size),
      }
      for (const { codec, layers } of partsOf(camera.demand.at(-1))) {
        const vp8 = codec === 'vp8'
        const bytes = vp8 ? encodeIvf({ ...unit, data: vp8Frame(keyframe, size) }) : encodeAccessUnit(unit)
        const wanted = LAYERS.filter((layer) => layers[layer])
        await Promise.all(
          wanted.map((layer) => bus.publish(vp8 ? topics.videoVp8 : topics.video, bytes, { layer })),
        )
      }
    },
    roll() {
      timer ??= setInterval(() => {
        if (!JSON.stringify(camera.demand.at(-1) ?? {}).includes('bitrate')) return
        void camera.shoot({ keyframe: wantsKeyframe })
        wantsKeyframe = false
      }, INTERVAL)
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
  await bus.subscribe(topics.demand, (demand) => {
    camera.demand.push(demand)
    wantsKeyframe = true
  })
  await bus.subscribe(topics.keyframe, () => {
    camera.asked.push(performance.now())
    wantsKeyframe = true
  })
  return camera
}
