import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { ContractError } from '#bus/contract-error.ts'
import { type CommandHandler, paramsOf } from '#commands/command-handlers.ts'
import type { Camera } from '../camera/camera.ts'
import type { PrivacySwitch } from '../privacy/privacy-switch.ts'

/** Longest wait for the source to end; a device that hangs in the kernel does not. */
const CLOSE_TIMEOUT_MS = 3_000
/** Largest time that a `Date` has, ms since the epoch. */
const MAX_TIME = 8.64e15

const Params = z.object({
  enabled: z.boolean(),
  until: z
    .union([z.number().max(MAX_TIME), z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))])
    .nullish(),
})

/** `command/set_privacy {enabled, until?}`: `until` in ms since the epoch, or as ISO 8601. The result says what holds now. */
export function setPrivacy(
  privacy: Pick<PrivacySwitch, 'set' | 'state'>,
  camera: Pick<Camera, 'released'>,
): CommandHandler {
  return {
    name: 'set_privacy',
    async run(params, { source }) {
      const { enabled, until = null } = paramsOf(Params, params)
      if (until !== null && until <= Date.now()) throw new ContractError('until: is in the past')
      const stored = await privacy.set(enabled, until, source)
      const released = enabled ? await within(camera.released()) : undefined
      const { enabled: isOn, until: end } = privacy.state
      return { enabled: isOn, until: end, stored, ...(released !== undefined && { camera_closed: released }) }
    },
  }
}

async function within(done: Promise<void>): Promise<boolean> {
  const timeout = new AbortController()
  const late = sleep(CLOSE_TIMEOUT_MS, false, { signal: timeout.signal }).catch(() => false)
  const result = await Promise.race([done.then(() => true), late])
  timeout.abort()
  return result
}
