import type { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import type { RelayConnectionState, ServiceState } from '#bus/messages.ts'
import { createLogger } from '#lib/logger.ts'
import { privacyFile, readPrivacy } from '#lib/media/privacy.ts'
import type { ALL_SECTIONS } from '../config-schema.ts'

export type RobotConfig = z.infer<z.ZodObject<typeof ALL_SECTIONS>>

/** Input of the checks: what is known of the robot so far. */
export interface CheckContext {
  /** The valid sections. */
  config: Partial<RobotConfig>
  bus: Bus | undefined
  /** The broker's address is not in use, so no service is running. */
  brokerDown: boolean
  /** Last retained state of each service, by name. */
  services: ReadonlyMap<string, z.infer<typeof ServiceState>>
  link: RelayConnectionState | undefined
  /** From `--ice-servers`, in any form that a relay sends. */
  iceServers: unknown[]
}

/** Whether the retained state of this service is online. */
export function isOnline({ services }: CheckContext, service: string): boolean {
  return services.get(service)?.state === 'online'
}

/** Whether privacy is on by the stored state, which counts where the services do not run; false where this user cannot read it. */
export async function isPrivate({ config: { data_dir } }: CheckContext): Promise<boolean> {
  if (data_dir === undefined) return false
  const log = createLogger('doctor', { write: () => undefined })
  const file = privacyFile(data_dir, log)
  const isReadable = await file.load().then(
    () => true,
    () => false,
  )
  return isReadable && ((await readPrivacy(file, log))?.enabled ?? false)
}
