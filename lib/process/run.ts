import { dirname, join } from 'node:path'
import { type Bus, connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { busLogin, LOGIN_SECTIONS } from '../bus-login.ts'
import { type ConfigFile, configPath, parseSections, readConfigFile, type Sections } from '../config.ts'
import { ConfigError } from '../config-error.ts'
import { BusSection, DataDir, MetricsSection } from '../config-schema.ts'
import { watchFiles } from '../file-watch.ts'
import { createLogger, type Logger } from '../logger.ts'
import { createEventCounter } from '../metrics/event-counter.ts'
import { publishMetrics } from '../metrics/metrics-publisher.ts'
import { Registry } from '../metrics/prometheus.ts'
import { PROJECT_ROOT, VERSION } from '../version.ts'
import { collectGarbage } from './garbage.ts'
import { flushCompileCacheSafely, hardenProcess, secureDataDir } from './hardening.ts'
import { Heartbeat } from './heartbeat.ts'
import { raisePriority } from './priority.ts'
import { openNotifier } from './sd-notify.ts'
import type { Service, Unit } from './service.ts'

/** All modules are loaded by then. The compile cache is flushed early, since a SIGKILL would lose it. */
const CACHE_FLUSH_DELAY_MS = 10_000
/** Delay before the next attempt with an unchanged config: a port that was in use may be free. */
const BAD_CONFIG_RETRY_MS = 60_000
/** A stop that takes longer is aborted. */
const STOP_TIMEOUT_MS = 5_000

/**
 * Runs a service as a process: reads the config, connects to the bus, starts the service, waits for SIGINT or SIGTERM,
 * stops within 5 s, exits 0. A bad config exits 78 without a stack trace, an unexpected error exits 1; a second signal
 * exits at once. With `WIMZ_BAD_CONFIG=wait`, for a supervisor that restarts after every exit, a bad config exits once
 * its files have changed, or after a minute.
 */
export async function run<S extends Sections>(service: Service<S>): Promise<void> {
  await live(part(service))
}

/** {@link run} for a process that is not a client of the bus. */
export async function runUnit<S extends Sections>(unit: Unit<S>): Promise<void> {
  await live(unitPart(unit))
}

/**
 * {@link run} for several services in one process, which costs less memory than a process for each. They start in this order
 * and stop in reverse; an error of one ends all. Each keeps its own connection to the bus and its name in the log.
 */
export async function runTogether(name: string, parts: readonly Part[]): Promise<void> {
  await live({
    name,
    isRecoverable: (err) => parts.some(({ isRecoverable }) => isRecoverable?.(err)),
    prepare(_log, file) {
      const prepared = parts.map((one) => {
        const log = createLogger(one.name)
        return { log, start: one.prepare(log, file) }
      })
      return async (stack) => {
        const states: (() => Readiness)[] = []
        for (const { log, start } of prepared) {
          states.push(await start(stack))
          log.info({ version: VERSION, pid: process.pid }, 'started')
        }
        return () => (states.every((state) => state() === 'ready') ? 'ready' : 'offline')
      }
    },
  })
}

type Readiness = 'ready' | 'offline'

/** What a process runs. */
interface Part extends Pick<Unit, 'name' | 'isRecoverable'> {
  /** Reads the config, and opens nothing yet. Throws {@link ConfigError}. */
  prepare(log: Logger, file: ConfigFile): Start
}

/** Starts a part; what it opens goes onto the stack. Returns how it is. */
type Start = (stack: AsyncDisposableStack) => Promise<() => Readiness>

/** A service with its connection to the bus. */
export function part<S extends Sections>(service: Service<S>): Part {
  return {
    ...service,
    prepare(log, file) {
      const read = (from: ConfigFile) => parseSections(from, service.config, service.optionalEnv)
      const config = read(file)
      const shared = parseSections(file, { bus: BusSection, metrics: MetricsSection, ...LOGIN_SECTIONS })
      return async (stack) => {
        const bus = stack.use(
          await connectBus({
            ...shared.bus,
            ...busLogin(service.name, shared.bus, shared),
            service: service.name,
            version: VERSION,
            log: log.child({ part: 'bus' }),
            announce: 'when-serving',
          }),
        )
        const reload = () => read(readConfigFile(file.path))
        const metrics = new Registry()
        stack.use(await service.start({ bus, config, log, reload, metrics }))
        stack.use(await obeyRestart(bus, service.name, log))
        bus.serving()
        if (shared.metrics.port !== null) {
          stack.use(publishMetrics({ bus, registry: metrics, service: service.name, log }))
        }
        return () => (bus.connected ? 'ready' : 'offline')
      }
    },
  }
}

/** Stops this process on `restart/<service>`; its supervisor starts it again. A users file without that right is no error. */
async function obeyRestart(bus: Bus, service: string, log: Logger): Promise<Disposable> {
  const restart = () => {
    log.info('restart requested on the bus')
    process.kill(process.pid, 'SIGTERM')
  }
  return await bus.subscribe(topics.restart, restart, { service }).catch((err: unknown) => {
    log.debug({ err }, 'no restart by the bus')
    return { [Symbol.dispose]() {} }
  })
}

/** A process of the stack that is not a client of the bus. */
export function unitPart<S extends Sections>(unit: Unit<S>): Part {
  return {
    ...unit,
    prepare(log, file) {
      const config = parseSections(file, unit.config, unit.optionalEnv)
      return async (stack) => {
        stack.use(await unit.start({ config, log }))
        return () => 'ready'
      }
    },
  }
}

async function live({ name, isRecoverable, prepare }: Part): Promise<void> {
  const log = createLogger(name)
  const stack = new AsyncDisposableStack()
  const exit = Promise.withResolvers<Exit>()
  using heartbeat = new Heartbeat()
  const signal = listenForSignals(exit.resolve)
  listenForErrors(exit.resolve, log, isRecoverable)
  const launch = async () => {
    const path = configPath('configs/robot.yaml')
    process.chdir(PROJECT_ROOT)
    hardenProcess()
    raisePriority()
    const notifier = stack.use(openNotifier(log))
    const file = readConfigFile(path)
    secureDataDir(parseSections(file, { data_dir: DataDir }).data_dir)
    const start = prepare(log, file)
    // what the loading of the modules has left; before anything is served, since it stops the event loop
    collectGarbage()
    const state = await start(stack)
    log.info({ version: VERSION, pid: process.pid }, 'started')
    notifier.ready()
    heartbeat.set(state)
    process.send?.('ready')
    setTimeout(() => flushCompileCacheSafely(), CACHE_FLUSH_DELAY_MS).unref()
  }
  launch().catch((err: unknown) => exit.resolve({ code: 1, err }))
  const { code, err, reason } = await exit.promise
  if (err) reportFatal(log, err)
  else log.info({ reason }, 'stopping')
  const stopped = await stop(stack, log)
  if (err instanceof ConfigError && process.env.WIMZ_BAD_CONFIG === 'wait') {
    heartbeat.set('bad-config')
    await Promise.race([signal, configChange()])
  }
  process.exit(err instanceof ConfigError ? ConfigError.exitCode : Math.max(code, stopped ? 0 : 1))
}

interface Exit {
  code: number
  reason?: string
  err?: unknown
}

/** Resolves on the first signal; a second one exits at once. */
function listenForSignals(exit: (how: Exit) => void): Promise<void> {
  const first = Promise.withResolvers<void>()
  let signals = 0
  const onSignal = (signal: string) => {
    if (++signals > 1) process.exit(1)
    exit({ code: 0, reason: signal })
    first.resolve()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // the IPC channel closes with the supervisor, even after SIGKILL
  process.on('disconnect', () => exit({ code: 0, reason: 'supervisor exited' }))
  return first.promise
}

/** Resolves when the config file, or the `.env` or users file beside it, has changed, and after a minute at the latest. */
async function configChange(): Promise<void> {
  const path = configPath('configs/robot.yaml')
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, BAD_CONFIG_RETRY_MS)
  const beside = ['.env', 'broker.yaml'].map((name) => join(dirname(path), name))
  using _watch = watchFiles([path, ...beside], resolve)
  await promise
  clearTimeout(timer)
}

/** Recoverable errors that are logged in full; further ones are only counted. */
const MAX_LOGGED = 20

function listenForErrors(exit: (how: Exit) => void, log: Logger, isRecoverable: Unit['isRecoverable']): void {
  const errors = createEventCounter(log, 'unhandled errors in single sessions')
  let logged = 0
  const onError = (err: unknown) => {
    if (!isRecoverable?.(err)) return exit({ code: 1, err })
    errors.count('unhandled')
    if (++logged <= MAX_LOGGED) log.warn({ err }, 'unhandled error in one session; continuing')
  }
  process.on('uncaughtException', onError)
  process.on('unhandledRejection', onError)
}

function reportFatal(log: Logger, err: unknown): void {
  if (err instanceof ConfigError) log.fatal(`bad configuration: ${err.message}`)
  else log.fatal({ err }, 'unexpected error, exiting')
}

async function stop(stack: AsyncDisposableStack, log: Logger): Promise<boolean> {
  const deadline = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => deadline.resolve(false), STOP_TIMEOUT_MS)
  const disposed = stack.disposeAsync().then(
    () => true,
    (err: unknown) => {
      log.error({ err }, 'stop failed')
      return false
    },
  )
  const stopped = await Promise.race([disposed, deadline.promise])
  clearTimeout(timer)
  if (!stopped) log.error({ timeout_ms: STOP_TIMEOUT_MS }, 'stop timed out')
  return stopped
}
