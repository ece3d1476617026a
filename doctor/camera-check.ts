import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { captureFrames } from '#services/vision/checks.ts'
import { cameraAdvice } from './advice.ts'
import { type CheckContext, isOnline, isPrivate } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf, warning } from './check-result.ts'

const FIRST_FRAME_TIMEOUT_MS = 12_000
/** After the first frame, the rate is measured for this long. */
const MEASURE_MS = 2_000
/** A lower share of the configured rate is a warning. */
const MIN_RATE_SHARE = 0.8

/** Gets a real frame: from `vision`, which holds the camera while it runs, else from the source itself. */
export async function checkCamera(context: CheckContext): Promise<CheckResult[]> {
  const { bus } = context
  if (bus && isOnline(context, 'vision')) return [await askVision(bus, context)]
  const { vision, webrtc } = context.config
  if (await isPrivate(context)) return [ok('camera', 'not opened: privacy is on')]
  if (!vision || !webrtc) return [warning('camera', 'skipped', 'fix the config first')]
  return [await openSource(vision.source, webrtc.video)]
}

async function askVision(bus: Bus, { services, config }: CheckContext): Promise<CheckResult> {
  const { camera_ok, camera_error, privacy, source, fps }: Record<string, unknown> =
    services.get('vision') ?? {}
  if (privacy === true) return ok('camera', `${source}: closed, privacy is on`)
  const advice = (reason: string) =>
    config.vision ? cameraAdvice(config.vision.source, reason) : 'check the log of vision'
  if (camera_ok !== true) {
    const reason = String(camera_error ?? 'no frame')
    return failure('camera', `${source}: ${reason}`, advice(reason))
  }
  const jpeg = Promise.withResolvers<Buffer | undefined>()
  using _frames = await bus.subscribe(topics.frame, (picture) => jpeg.resolve(picture))
  await bus.publish(topics.frameRequest, {})
  const timer = setTimeout(jpeg.resolve, 5_000)
  const picture = await jpeg.promise
  clearTimeout(timer)
  const size = picture && jpegSize(picture)
  if (!picture || !size) return failure('camera', `${source}: no frame from vision`, advice(''))
  const kib = Math.round(picture.length / 1024)
  const found = `${source} through vision: ${size.width}x${size.height}, ${fps}/s, a JPEG of ${kib} KiB`
  return judgeRate(found, Number(fps), config.webrtc?.video.fps)
}

async function openSource(
  source: Parameters<typeof captureFrames>[0],
  { width, height, fps }: { width: number; height: number; fps: number },
): Promise<CheckResult> {
  const abort = new AbortController()
  const first = Promise.withResolvers<{ width: number; height: number } | undefined>()
  let [count, startedAt] = [0, 0]
  const capturing = captureFrames(source, {
    ...{ width, height, fps, signal: abort.signal },
    async emit(frame) {
      const size = { width: frame.width, height: frame.height }
      frame.free()
      if (count++ === 0) startedAt = performance.now()
      first.resolve(size)
      await sleep(1) // backpressure for sources that are files
    },
  })
  let problem: unknown = new Error(`no frame within ${FIRST_FRAME_TIMEOUT_MS / 1000} s`)
  capturing.catch((err: unknown) => {
    problem = err
  })
  void capturing.catch(() => {}).then(() => first.resolve(undefined))
  const timer = setTimeout(first.resolve, FIRST_FRAME_TIMEOUT_MS)
  const size = await first.promise
  clearTimeout(timer)
  if (size) await sleep(MEASURE_MS)
  const rate = ((count - 1) * 1000) / (performance.now() - startedAt)
  abort.abort()
  await capturing.catch(() => {}) // reported below
  if (!size) {
    const reason = reasonOf(problem)
    return failure('camera', `${source.type}: ${reason}`, cameraAdvice(source, reason))
  }
  return judgeRate(`${source.type}: ${size.width}x${size.height}, ${rate.toFixed(1)}/s`, rate, fps)
}

function judgeRate(found: string, rate: number, wanted: number | undefined): CheckResult {
  if (wanted === undefined || rate >= wanted * MIN_RATE_SHARE) return ok('camera', found)
  const advice = 'more light, a smaller frame size, or a lower webrtc.video.fps'
  return warning('camera', `${found} instead of the configured ${wanted}/s`, advice)
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
