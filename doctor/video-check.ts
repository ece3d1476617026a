import { decodeAccessUnit } from '#bus/access-unit.ts'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { type CheckContext, isOnline } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf, warning } from './check-result.ts'

const FRAME_TIMEOUT_MS = 8_000
/** `vision` encodes at the highest bitrate in demand, so one this low changes nothing for viewers of the layer. */
const BITRATE = 100_000
const DOCTOR = { who: 'doctor' }
const RULES = 'add the rules of the user doctor in configs/broker.yaml to your own users of the bus'

/** Gets one encoded frame of the smallest layer from a running `vision`. */
export async function checkVideo(context: CheckContext): Promise<CheckResult[]> {
  const { bus } = context
  if (!bus || !isOnline(context, 'vision')) return []
  return [await requestFrame(bus)]
}

async function requestFrame(bus: Bus): Promise<CheckResult> {
  const frame = Promise.withResolvers<Buffer | undefined>()
  // a broker denies a publish without saying so
  let accepted = false
  using stack = new DisposableStack()
  try {
    stack.use(await bus.subscribe(topics.video, frame.resolve, { layer: 'low' }))
    const watch = ({ layers }: Record<string, unknown>) => {
      accepted ||= Object.hasOwn(Object(layers), 'low')
    }
    stack.use(await bus.subscribe(topics.serviceState, watch, { service: 'vision' }))
  } catch (err) {
    return warning('video', `not checked: ${reasonOf(err)}`, RULES)
  }
  const startedAt = performance.now()
  const until = Date.now() + FRAME_TIMEOUT_MS
  await bus.publish(topics.demand, { codec: 'h264', layers: { low: { bitrate: BITRATE } }, until }, DOCTOR)
  const timer = setTimeout(frame.resolve, FRAME_TIMEOUT_MS)
  const unit = await frame.promise
  clearTimeout(timer)
  await bus.publish(topics.demand, null, DOCTOR)
  if (unit) {
    const ms = Math.round(performance.now() - startedAt)
    return ok('video', `an H.264 frame of ${decodeAccessUnit(unit).data.length} bytes after ${ms} ms`)
  }
  if (!accepted) return warning('video', 'not checked: vision did not get the demand', RULES)
  return failure('video', `no encoded frame within ${FRAME_TIMEOUT_MS / 1000} s`, 'check the log of vision')
}
