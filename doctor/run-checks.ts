import { checkBus, checkServices, expectedServices, readStates } from './bus-check.ts'
import { checkCamera } from './camera-check.ts'
import type { CheckContext } from './check-context.ts'
import { bounded, type CheckResult } from './check-result.ts'
import { checkConfig } from './config-check.ts'
import { checkIce } from './ice-check.ts'
import { checkClock, checkDisk, checkHeat } from './machine-check.ts'
import { checkModel } from './model-check.ts'
import { checkRelay } from './relay-check.ts'

/** For one group of checks. */
const GROUP_TIMEOUT_MS = 25_000

/** Runs all checks in parallel and yields their results, group by group. Takes half a minute at most. */
export async function* runChecks(path: string, iceServers: unknown[]): AsyncGenerator<CheckResult> {
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
    bounded('camera', GROUP_TIMEOUT_MS, () => checkCamera(context)),
    bounded('model', GROUP_TIMEOUT_MS, () => checkModel(context)),
    bounded('relay', GROUP_TIMEOUT_MS, () => checkRelay(context)),
    bounded('STUN and TURN', GROUP_TIMEOUT_MS, () => checkIce(context)),
    bounded('clock', GROUP_TIMEOUT_MS, () => checkClock(context)),
    bounded('disk', GROUP_TIMEOUT_MS, () => checkDisk(context)),
    bounded('temperature', GROUP_TIMEOUT_MS, () => checkHeat()),
  ]
  for (const group of groups) yield* await group
}
