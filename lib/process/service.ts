import type { Registry } from 'prom-client'
import type { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import type { Sections } from '../config.ts'
import type { Logger } from '../logger.ts'

/** What a service is given. */
export interface Deps<C> {
  bus: Bus
  config: C
  log: Logger
  /** The config as the file and the environment say now. Throws {@link ConfigError}. */
  reload?: () => C
  /** Takes the service's figures. */
  metrics?: Registry
}

/** One service of the robot: its name on the bus, the config sections it reads, and how it starts. */
export interface Service<S extends Sections = Sections> {
  name: string
  config: S
  /** Keys that are empty instead of an error when their environment variable is not set. */
  optionalEnv?: readonly string[]
  /** Of an error that nobody has caught: is it known to concern a part only, so that the process may go on? */
  isRecoverable?(err: unknown): boolean
  /** Resolves when the thing works; disposing it ends everything it began. */
  start(deps: Deps<z.infer<z.ZodObject<S>>>): Promise<AsyncDisposable>
}

/** A process of the stack that does not speak on the bus as a client: the broker itself, the local relay. */
export interface Unit<S extends Sections = Sections> {
  name: string
  config: S
  optionalEnv?: readonly string[]
  isRecoverable?(err: unknown): boolean
  start(deps: Omit<Deps<z.infer<z.ZodObject<S>>>, 'bus' | 'metrics'>): Promise<AsyncDisposable>
}

/** Declares a service; only here for its types. */
export function defineService<S extends Sections>(service: Service<S>): Service<S> {
  return service
}

/** Declares a process without a bus; only here for its types. */
export function defineUnit<S extends Sections>(unit: Unit<S>): Unit<S> {
  return unit
}
