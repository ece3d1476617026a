import { checkBus, checkServices, expectedServices, readStates } from './bus-check.ts'
import { checkCamera } from './camera-check.ts'
import type { CheckContext } from './check-context.ts'
import { bounded, type CheckResult } from './check-result.ts'
import { checkConfig } from './config-check.ts'
import { checkHomeAssistant } from './home-assistant-check.ts'
import { checkIce } from './ice-check.ts'
import { checkClock, checkDisk, checkHeat, checkMemoryLimits } from './machine-check.ts'
import { checkMicrophone } from './microphone-check.ts'
import { checkModel } from './model-check.ts'
import { checkPage } from './page-check.ts'
import { checkRelay } from './relay-check.ts'
import { checkSpeaker } from './speaker-check.ts'
import { checkVideo } from './video-check.ts'

/** Runs all checks in parallel and yields their results, group by group. A group that takes longer than `timeoutMs` fails. */
export async function* runChecks(
  path: string,
  iceServers: unknown[],
  timeoutMs: number,
): AsyncGenerator<CheckResult> {
  const { results, config } = checkConfig(path)
  yield* results
  const connection = config.bus ? await checkBus(config.bus, config) : undefined
  yield* connection?.results ?? []
  await using bus = connection?.bus
  const expected = expectedServices(config)
  const known = bus ? await readStates(bus, expected) : { services: new Map(), link: undefined }
  const context: CheckContext = {
    config,
    bus,
    brokerDown: connection?.brokerDown ?? false,
    ...known,
    iceServers,
  }
  if (bus) yield* checkServices(known, expected)
  const groups = [
    bounded('camera', timeoutMs, () => checkCamera(context)),
    bounded('microphone', timeoutMs, () => checkMicrophone(context)),
    bounded('speaker', timeoutMs, () => checkSpeaker(context)),
    bounded('video', timeoutMs, () => checkVideo(context)),
    bounded('model', timeoutMs, () => checkModel(context)),
    bounded('relay', timeoutMs, () => checkRelay(context)),
    bounded('local page', timeoutMs, () => checkPage(context)),
    bounded('STUN and TURN', timeoutMs, () => checkIce(context)),
    bounded('Home Assistant', timeoutMs, () => checkHomeAssistant(context)),
    bounded('clock', timeoutMs, () => checkClock(context)),
    bounded('disk', timeoutMs, () => checkDisk(context)),
    bounded('memory limits', timeoutMs, () => checkMemoryLimits()),
    bounded('temperature', timeoutMs, () => checkHeat()),
  ]
  for (const group of groups) yield* await group
}
