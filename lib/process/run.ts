import { flushCompileCache } from 'node:module'
import { Registry } from 'prom-client'
import { connectBus } from '#bus/bus.ts'
import { busLogin, LOGIN_SECTIONS } from '../bus-login.ts'
import { type ConfigFile, configPath, parseSections, readConfigFile, type Sections } from '../config.ts'
import { ConfigError } from '../config-error.ts'
import { BusSection, MetricsSection } from '../config-schema.ts'
import { createLogger, type Logger } from '../logger.ts'
import { createEventCounter } from '../metrics/event-counter.ts'
import { publishMetrics } from '../metrics/metrics-publisher.ts'
import { PROJECT_ROOT, VERSION } from '../version.ts'
import { openNotifier } from './sd-notify.ts'
import type { Service, Unit } from './service.ts'

/** Everything is loaded by then, ms: what was compiled is kept for the next start, which a SIGKILL would prevent. */
const SETTLED = 10_000
/** A stop that takes longer than this is broken off. */
const STOP_DEADLINE = 5_000

/**
 * The life of a service's process: read the config, connect to the bus, start, wait for SIGINT or SIGTERM, stop within
 * 5 s, exit 0. A bad config exits 78 without a stack trace, anything unforeseen exits 1; a second signal exits at once.
 */
export async function run<S extends Sections>(service: Service<S>): Promise<void> {
  await live(service, async (stack, log, file) => {
    const config = parseSections(file, service.config, service.optionalEnv)
    const shared = parseSections(file, { bus: BusSection, metrics: MetricsSection, ...LOGIN_SECTIONS })
    const bus = stack.use(
      await connectBus({
        ...shared.bus,
        ...busLogin(service.name, shared.bus, shared),
        service: service.name,
        version: VERSION,
        log: log.child({ part: 'bus' }),
      }),
    )
    const reload = () => parseSections(readConfigFile(file.path), service.config, service.optionalEnv)
    const metrics = new Registry()
    stack.use(await service.start({ bus, config, log, reload, metrics }))
    if (shared.metrics.port !== null) {
      stack.use(publishMetrics({ bus, registry: metrics, service: service.name, log }))
    }
  })
}

/** {@link run} for a process that is no client of the bus. */
export async function runUnit<S extends Sections>(unit: Unit<S>): Promise<void> {
  await live(unit, async (stack, log, file) => {
    stack.use(await unit.start({ config: parseSections(file, unit.config, unit.optionalEnv), log }))
  })
}

type Start = (stack: AsyncDisposableStack, log: Logger, file: ConfigFile) => Promise<void>

async function live(
  { name, isRecoverable }: Pick<Unit, 'name' | 'isRecoverable'>,
  start: Start,
): Promise<void> {
  const log = createLogger(name)
  const stack = new AsyncDisposableStack()
  const ending = Promise.withResolvers<Ending>()
  listenForEndings(ending.resolve)
  listenForErrors(ending.resolve, log, isRecoverable)
  const begin = async () => {
    const path = configPath('configs/robot.yaml')
    process.chdir(PROJECT_ROOT)
    const notifier = stack.use(openNotifier(log))
    await start(stack, log, readConfigFile(path))
    log.info({ version: VERSION, pid: process.pid }, 'started')
    notifier.ready()
    process.send?.('ready')
    setTimeout(() => flushCompileCache(), SETTLED).unref()
  }
  begin().catch((err: unknown) => ending.resolve({ code: 1, err }))
  const { code, err, reason } = await ending.promise
  if (err) reportFatal(log, err)
  else log.info({ reason }, 'stopping')
  const stopped = await stop(stack, log)
  process.exit(err instanceof ConfigError ? ConfigError.exitCode : Math.max(code, stopped ? 0 : 1))
}

interface Ending {
  code: number
  reason?: string
  err?: unknown
}

function listenForEndings(end: (ending: Ending) => void): void {
  let signals = 0
  const onSignal = (signal: string) => {
    if (++signals > 1) process.exit(1)
    end({ code: 0, reason: signal })
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // our supervisor is gone, however it died
  process.on('disconnect', () => end({ code: 0, reason: 'supervisor gone' }))
}

/** Errors that were survived and are logged in full; the rest are only counted. */
const MAX_TOLD = 20

function listenForErrors(
  end: (ending: Ending) => void,
  log: Logger,
  isRecoverable: Unit['isRecoverable'],
): void {
  const tally = createEventCounter(log, 'errors survived')
  let told = 0
  const onError = (err: unknown) => {
    if (!isRecoverable?.(err)) return end({ code: 1, err })
    tally.count('nobody caught')
    if (++told <= MAX_TOLD) log.warn({ err }, 'nobody caught this; it concerns a part only, going on')
  }
  process.on('uncaughtException', onError)
  process.on('unhandledRejection', onError)
}

function reportFatal(log: Logger, err: unknown): void {
  if (err instanceof ConfigError) log.fatal(`bad configuration: ${err.message}`)
  else log.fatal({ err }, 'unforeseen error, exiting')
}

async function stop(stack: AsyncDisposableStack, log: Logger): Promise<boolean> {
  const deadline = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => deadline.resolve(false), STOP_DEADLINE)
  const disposed = stack.disposeAsync().then(
    () => true,
    (err: unknown) => {
      log.error({ err }, 'stopping went wrong')
      return false
    },
  )
  const stopped = await Promise.race([disposed, deadline.promise])
  clearTimeout(timer)
  if (!stopped) log.error({ deadline_ms: STOP_DEADLINE }, 'did not stop cleanly')
  return stopped
}
