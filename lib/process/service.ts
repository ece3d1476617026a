import type { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import type { Sections } from '../config.ts'
import type { Logger } from '../logger.ts'
import type { Registry } from '../metrics/prometheus.ts'

/** Dependencies of a service. */
export interface Deps<C> {
  bus: Bus
  config: C
  log: Logger
  /** Reads config file and environment again. Throws {@link ConfigError}. */
  reload?: () => C
  /** Registry for the service's metrics. */
  metrics?: Registry
}

/** One service of the robot: its name on the bus, the config sections it reads, and how it starts. */
export interface Service<S extends Sections = Sections> {
  name: string
  config: S
  /** Config keys that may stay empty when their environment variable is not set. */
  optionalEnv?: readonly string[]
  /** Whether an unhandled error is known to affect one session only, so that the process may continue. */
  isRecoverable?(err: unknown): boolean
  /** Resolves when the service is ready; disposing the result stops everything that it started. */
  start(deps: Deps<z.infer<z.ZodObject<S>>>): Promise<AsyncDisposable>
}

/** A process of the stack that is not a client of the bus: the broker itself, the local relay. */
export interface Unit<S extends Sections = Sections> {
  name: string
  config: S
  optionalEnv?: readonly string[]
  isRecoverable?(err: unknown): boolean
  start(deps: Omit<Deps<z.infer<z.ZodObject<S>>>, 'bus' | 'metrics'>): Promise<AsyncDisposable>
}

/** Declares a service, with its types inferred. */
export function defineService<S extends Sections>(service: Service<S>): Service<S> {
  return service
}

/** Declares a process without a bus client, with its types inferred. */
export function defineUnit<S extends Sections>(unit: Unit<S>): Unit<S> {
  return unit
}
