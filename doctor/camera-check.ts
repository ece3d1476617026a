import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { captureFrames } from '#services/vision/checks.ts'
import { isOnline, type Patient } from './check-context.ts'
import { type Finding, failure, ok, reasonOf, warning } from './check-result.ts'

/** Until the first picture, and how long pictures are counted from then on. Milliseconds. */
const FIRST = 12_000
const COUNTED = 2_000
/** Fewer than this share of the pictures asked for is worth a word. */
const ENOUGH = 0.8

/** A real picture: from `vision`, which holds the camera while it runs, else from the source itself. */
export async function checkCamera(patient: Patient): Promise<Finding[]> {
  const { bus } = patient
  if (bus && isOnline(patient, 'vision')) return [await askVision(bus, patient)]
  const { vision, webrtc } = patient.config
  if (!vision || !webrtc) return [warning('camera', 'not looked at', 'mend the config first')]
  return [await openSource(vision.source, webrtc.video)]
}

async function askVision(bus: Bus, { services, config }: Patient): Promise<Finding> {
  const { camera_ok, camera_error, source, fps }: Record<string, unknown> = services.get('vision') ?? {}
  const advice = 'look at cable, vision.source, and the log of vision'
  if (camera_ok !== true) return failure('camera', `${source}: ${camera_error ?? 'no picture'}`, advice)
  const jpeg = Promise.withResolvers<Buffer | undefined>()
  using _frames = await bus.subscribe(topics.frame, (picture) => jpeg.resolve(picture))
  await bus.publish(topics.frameRequest, {})
  const timer = setTimeout(jpeg.resolve, 5_000)
  const picture = await jpeg.promise
  clearTimeout(timer)
  const size = picture && jpegSize(picture)
  if (!picture || !size) return failure('camera', `${source}: vision gives no picture`, advice)
  const kib = Math.round(picture.length / 1024)
  const found = `${source} through vision: ${size.width}x${size.height}, ${fps}/s, a JPEG of ${kib} KiB`
  return judgeRate(found, Number(fps), config.webrtc?.video.fps)
}

async function openSource(
  source: Parameters<typeof captureFrames>[0],
  { width, height, fps }: { width: number; height: number; fps: number },
): Promise<Finding> {
  const ending = new AbortController()
  const first = Promise.withResolvers<{ width: number; height: number } | undefined>()
  let [count, beganAt] = [0, 0]
  const capturing = captureFrames(source, {
    ...{ width, height, fps, signal: ending.signal },
    async emit(frame) {
      const size = { width: frame.width, height: frame.height }
      frame.free()
      if (count++ === 0) beganAt = performance.now()
      first.resolve(size)
      await sleep(1) // a file is not read faster than this loop turns
    },
  })
  let problem: unknown = new Error(`no picture within ${FIRST / 1000} s`)
  capturing.catch((err: unknown) => {
    problem = err
  })
  void capturing.catch(() => {}).then(() => first.resolve(undefined))
  const timer = setTimeout(first.resolve, FIRST)
  const size = await first.promise
  clearTimeout(timer)
  if (size) await sleep(COUNTED)
  const rate = ((count - 1) * 1000) / (performance.now() - beganAt)
  ending.abort()
  await capturing.catch(() => {}) // told below
  const advice = 'look at cable and vision.source; does another program hold the camera?'
  if (!size) return failure('camera', `${source.type}: ${reasonOf(problem)}`, advice)
  return judgeRate(`${source.type}: ${size.width}x${size.height}, ${rate.toFixed(1)}/s`, rate, fps)
}

function judgeRate(found: string, rate: number, wanted: number | undefined): Finding {
  if (wanted === undefined || rate >= wanted * ENOUGH) return ok('camera', found)
  const advice = 'more light, a smaller picture, or a lower webrtc.video.fps'
  return warning('camera', `${found} of the ${wanted}/s that are configured`, advice)
}

/** Size of a JPEG from its frame header. ITU-T T.81 B.2.2. */
export function jpegSize(jpeg: Buffer): { width: number; height: number } | undefined {
  for (let at = 2; at + 9 < jpeg.length && jpeg[at] === 0xff; at += 2 + jpeg.readUInt16BE(at + 2)) {
    const marker = jpeg[at + 1] ?? 0
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) return { height: jpeg.readUInt16BE(at + 5), width: jpeg.readUInt16BE(at + 7) }
  }
  return undefined
}
