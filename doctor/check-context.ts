import type { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import type { RelayConnectionState, ServiceState } from '#bus/messages.ts'
import type { ALL_SECTIONS } from '../config-schema.ts'

export type RobotConfig = z.infer<z.ZodObject<typeof ALL_SECTIONS>>

/** The robot as far as it is known when a check begins. */
export interface Patient {
  /** The sections that are right. */
  config: Partial<RobotConfig>
  bus: Bus | undefined
  /** Nothing listens where the broker should be, so nothing of the robot runs. */
  asleep: boolean
  /** What each service said last, by name. */
  services: ReadonlyMap<string, z.infer<typeof ServiceState>>
  link: RelayConnectionState | undefined
  /** Given by hand, in any shape that the relay has for them. */
  iceServers: unknown[]
}

/** Does this service say that it is online? */
export function isOnline({ services }: Patient, service: string): boolean {
  return services.get(service)?.state === 'online'
}
