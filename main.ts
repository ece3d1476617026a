import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { configPath, parseSections, readConfigFile } from '#lib/config.ts'
import { ConfigError } from '#lib/config-error.ts'
import { createLogger } from '#lib/logger.ts'
import { openConsole } from '#lib/process/console.ts'
import { SupervisedProcess } from '#lib/process/supervised-process.ts'
import { PROJECT_ROOT, VERSION } from '#lib/version.ts'
import { ALL_SECTIONS } from './config-schema.ts'

/** The processes of the stack in the order in which they start, and how long each may take to stop, ms. */
const PROCESSES = {
  // strangers who come and go leave half as much behind
  broker: {
    script: 'broker/main.ts',
    deadline: 700,
    env: { NODE_OPTIONS: '--max-semi-space-size=4', MALLOC_ARENA_MAX: '2' },
  },
  'local-relay': { script: 'dev/relay/main.ts', deadline: 700 },
  // a flood of frames otherwise leaves 100 MB of V8's young generation behind, which never goes back to the system
  'relay-bridge': {
    script: 'services/relay-bridge/main.ts',
    deadline: 1_300,
    env: { NODE_OPTIONS: '--max-semi-space-size=2' },
  },
  // pictures go back to the system when they are freed: 100 MB less than with glibc's moving threshold
  vision: { script: 'services/vision/main.ts', deadline: 1_800, env: { MALLOC_MMAP_THRESHOLD_: '262144' } },
  // a small young generation and few malloc arenas: 100 MB less after some hundred sessions, and flat from then on
  webrtc: {
    script: 'services/webrtc/main.ts',
    deadline: 1_800,
    env: { NODE_OPTIONS: '--max-semi-space-size=4', MALLOC_ARENA_MAX: '2' },
  },
  metrics: {
    script: 'services/metrics/main.ts',
    deadline: 700,
    env: { NODE_OPTIONS: '--max-semi-space-size=2' },
  },
  homeassistant: {
    script: 'services/home-assistant/main.ts',
    deadline: 700,
    env: { NODE_OPTIONS: '--max-semi-space-size=2' },
  },
} as const
type ProcessName = keyof typeof PROCESSES

/** What the link gets before the rest is loaded, at most, ms. */
const HEAD_START = 1_000

/** Stops in this order: sessions say goodbye while the bridge still stands, everybody while the broker does. */
const STOP_ORDER: ProcessName[][] = [
  ['webrtc', 'vision', 'metrics', 'homeassistant'],
  ['relay-bridge'],
  ['local-relay', 'broker'],
]

const console = openConsole()
const log = createLogger('supervisor', console)
const ending = Promise.withResolvers<number>()

function loadConfig(path: string) {
  process.chdir(PROJECT_ROOT)
  return parseSections(readConfigFile(path), ALL_SECTIONS, ['cloud.device_id', 'cloud.device_secret'])
}

function wanted(config: ReturnType<typeof loadConfig>): ProcessName[] {
  const enabled: Record<ProcessName, boolean> = {
    broker: config.broker.enabled,
    'local-relay': config.local_relay.enabled,
    'relay-bridge': config.cloud.enabled,
    vision: true,
    webrtc: config.webrtc.enabled,
    metrics: config.metrics.port !== null,
    homeassistant: config.homeassistant.enabled,
  }
  return (Object.keys(PROCESSES) as ProcessName[]).filter((name) => enabled[name])
}

function startChild(name: ProcessName, path: string, dataDir: string): SupervisedProcess {
  const plan = PROCESSES[name]
  // half the time of a start is compiling; what is kept here belongs to nobody else, who could put code into it
  const cache = process.env.NODE_COMPILE_CACHE ?? join(dataDir, 'compile-cache')
  return new SupervisedProcess({
    name,
    env: { NODE_COMPILE_CACHE: cache, ...('env' in plan ? plan.env : {}) },
    args: [plan.script, '--config', path],
    log,
    onLine: (line) => console.write(`${line}\n`),
    onBadConfig: () => ending.resolve(ConfigError.exitCode),
  })
}

async function stopAll(children: ReadonlyMap<ProcessName, SupervisedProcess>): Promise<boolean> {
  let clean = true
  for (const stage of STOP_ORDER) {
    const stopped = await Promise.all(stage.map((name) => children.get(name)?.stop(PROCESSES[name].deadline)))
    clean &&= stopped.every((one) => one !== false)
  }
  return clean
}

/**
 * Starts the two servers first, so that nobody has to dial twice, then the link, which the loading of the others would
 * hold up, then the rest at once.
 */
async function startAll(
  names: ProcessName[],
  children: Map<ProcessName, SupervisedProcess>,
  start: (name: ProcessName) => SupervisedProcess,
  ending: () => boolean,
): Promise<void> {
  const begin = (stage: readonly ProcessName[]) => {
    // nobody would stop what is started now
    if (ending()) return
    for (const name of stage) if (names.includes(name)) children.set(name, start(name))
    return Promise.all(stage.map((name) => children.get(name)?.ready))
  }
  await begin(['broker', 'local-relay'])
  const link = begin(['relay-bridge'])
  // one that cannot start keeps nobody else from it
  await Promise.race([link, sleep(HEAD_START)])
  await begin(['vision', 'webrtc', 'metrics', 'homeassistant'])
  await link
}

async function main(): Promise<number> {
  const path = configPath('configs/demo.yaml')
  const config = loadConfig(path)
  const children = new Map<ProcessName, SupervisedProcess>()
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(1)
      ending.resolve(0)
    })
  }
  // of a terminal it means that it was closed
  process.on('SIGHUP', () => {
    if (process.stdin.isTTY || process.stdout.isTTY) ending.resolve(0)
    else children.get('broker')?.signal('SIGHUP')
  })
  log.info({ version: VERSION, config: path }, 'starting')
  let isEnding = false
  void ending.promise.then(() => {
    isEnding = true
  })
  const start = (name: ProcessName) => startChild(name, path, config.data_dir)
  const started = startAll(wanted(config), children, start, () => isEnding).then(() => {
    if (isEnding) return
    if (!config.local_relay.enabled) log.info('everything runs')
    else log.info(`everything runs: open ${pageAddress(config.local_relay)} to watch`)
  })
  started.catch((err: unknown) => {
    log.fatal({ err }, 'cannot start')
    ending.resolve(1)
  })
  const code = await ending.promise
  const clean = await stopAll(children)
  log.info({ clean }, 'stopped')
  return code === 0 && !clean ? 1 : code
}

/** The page's address for a person on this machine. */
function pageAddress({
  host,
  port,
  token,
}: {
  host: string
  port: number
  token?: string | undefined
}): string {
  const query = token === undefined ? '' : '?token=…'
  return `http://${host === '0.0.0.0' || host === '::' ? 'localhost' : host}:${port}/${query}`
}

try {
  process.exitCode = await main()
} catch (err) {
  if (err instanceof ConfigError) log.fatal(`bad configuration: ${err.message}`)
  else log.fatal({ err }, 'unforeseen error')
  process.exitCode = err instanceof ConfigError ? ConfigError.exitCode : 1
}
