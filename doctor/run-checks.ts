import { checkBus, checkServices, expectedServices, listenToServices } from './bus-check.ts'
import { checkCamera } from './camera-check.ts'
import type { Patient } from './check-context.ts'
import { bounded, type Finding } from './check-result.ts'
import { checkConfig } from './config-check.ts'
import { checkIce } from './ice-check.ts'
import { checkClock, checkDisk, checkHeat } from './machine-check.ts'
import { checkModel } from './model-check.ts'
import { checkRelay } from './relay-check.ts'

/** Milliseconds for one check, all its steps together. */
const WITHIN = 25_000

/** Looks at everything, and tells what it finds, group by group. Takes half a minute at most. */
export async function* examine(path: string, iceServers: unknown[]): AsyncGenerator<Finding> {
  const { findings, config } = checkConfig(path)
  yield* findings
  const connection = config.bus ? await checkBus(config.bus, config) : undefined
  yield* connection?.findings ?? []
  await using bus = connection?.bus
  const expected = expectedServices(config)
  const known = bus ? await listenToServices(bus, expected) : { services: new Map(), link: undefined }
  const patient: Patient = { config, bus, asleep: connection?.asleep ?? false, ...known, iceServers }
  if (bus) yield* checkServices(known, expected)
  const groups = [
    bounded('camera', WITHIN, () => checkCamera(patient)),
    bounded('model', WITHIN, () => checkModel(patient)),
    bounded('relay', WITHIN, () => checkRelay(patient)),
    bounded('STUN and TURN', WITHIN, () => checkIce(patient)),
    bounded('clock', WITHIN, () => checkClock(patient)),
    bounded('disk', WITHIN, () => checkDisk(patient)),
    bounded('temperature', WITHIN, () => checkHeat()),
  ]
  for (const group of groups) yield* await group
}
