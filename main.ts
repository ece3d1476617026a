import '#lib/process/lean-modules.ts'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ConfigError } from '#lib/config-error.ts'
import { createLogger } from '#lib/logger.ts'
import { openConsole } from '#lib/process/console.ts'
import { collectGarbage } from '#lib/process/garbage.ts'
import { hardenProcess } from '#lib/process/hardening.ts'
import { SupervisedProcess } from '#lib/process/supervised-process.ts'
import { PROJECT_ROOT, VERSION } from '#lib/version.ts'

/** The processes of the stack in start order; `deadline`: time to stop before SIGKILL (ms). */
const PROCESSES = {
  // halves the memory left by short-lived connections; memory of large messages returns to the system
  broker: {
    script: 'broker/main.ts',
    deadline: 700,
    env: {
      NODE_OPTIONS: '--max-semi-space-size=4',
      MALLOC_ARENA_MAX: '2',
      MALLOC_MMAP_THRESHOLD_: '262144',
    },
  },
  'local-relay': { script: 'dev/relay/main.ts', deadline: 700 },
  // under a flood of frames V8 and glibc otherwise keep 100 MB of what was received; the bridge itself collects garbage
  'relay-bridge': {
    script: 'services/relay-bridge/main.ts',
    deadline: 1_300,
    env: {
      NODE_OPTIONS: '--max-semi-space-size=2 --expose-gc',
      MALLOC_ARENA_MAX: '2',
      MALLOC_MMAP_THRESHOLD_: '131072',
    },
  },
  // freed frames return to the system: 100 MB less than with glibc's dynamic threshold
  vision: {
    script: 'services/vision/main.ts',
    deadline: 1_800,
    env: { MALLOC_MMAP_THRESHOLD_: '262144', MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=2' },
  },
  // 100 MB less after some hundred sessions, and constant from then on
  webrtc: {
    script: 'services/webrtc/main.ts',
    deadline: 1_800,
    env: { NODE_OPTIONS: '--max-semi-space-size=4', MALLOC_ARENA_MAX: '2' },
  },
  audio: {
    script: 'services/audio/main.ts',
    deadline: 1_800,
    env: { NODE_OPTIONS: '--max-semi-space-size=2', MALLOC_ARENA_MAX: '2' },
  },
  recorder: {
    script: 'services/recorder/main.ts',
    deadline: 1_800,
    env: {
      NODE_OPTIONS: '--max-semi-space-size=2',
      MALLOC_ARENA_MAX: '2',
      MALLOC_MMAP_THRESHOLD_: '131072',
    },
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
  simulator: {
    script: 'services/simulator/main.ts',
    deadline: 700,
    env: { NODE_OPTIONS: '--max-semi-space-size=2' },
  },
  // in place of those of COMPACT
  compact: {
    script: 'compact.ts',
    deadline: 1_500,
    env: { NODE_OPTIONS: '--max-semi-space-size=4', MALLOC_ARENA_MAX: '2' },
  },
} as const
type ProcessName = keyof typeof PROCESSES

/** The services that `--compact` runs in one process. */
const COMPACT: readonly ProcessName[] = [
  'broker',
  'local-relay',
  'relay-bridge',
  'audio',
  'recorder',
  'metrics',
  'homeassistant',
  'simulator',
]

/** Longest wait for relay-bridge before the heavy services start. */
const BRIDGE_START_TIMEOUT_MS = 1_000

/** Sessions close while the bridge can still send it; every service disconnects while the broker still runs. */
const STOP_ORDER: ProcessName[][] = [
  ['webrtc', 'vision', 'audio', 'recorder', 'metrics', 'homeassistant', 'simulator'],
  ['relay-bridge'],
  ['local-relay', 'broker', 'compact'],
]

const console = openConsole()
const log = createLogger('supervisor', console)
const exitCode = Promise.withResolvers<number>()

/** The sections of the config file, and its path. */
async function loadConfig() {
  const { configPath, parseSections, readConfigFile } = await import('#lib/config.ts')
  const { ALL_SECTIONS } = await import('./config-schema.ts')
  const path = configPath('configs/demo.yaml')
  hardenProcess()
  process.chdir(PROJECT_ROOT)
  const secrets = ['cloud.device_id', 'cloud.device_secret']
  return { path, config: parseSections(readConfigFile(path), ALL_SECTIONS, secrets) }
}
type Config = Awaited<ReturnType<typeof loadConfig>>['config']

function enabledProcesses(config: Config): ProcessName[] {
  const enabled: Record<ProcessName, boolean> = {
    broker: config.broker.enabled,
    'local-relay': config.local_relay.enabled,
    'relay-bridge': config.cloud.enabled,
    vision: true,
    webrtc: config.webrtc.enabled,
    audio: config.audio.source.type !== 'none' || config.audio.speaker.type !== 'none',
    recorder: config.recorder.enabled,
    metrics: config.metrics.port !== null,
    homeassistant: config.homeassistant.enabled,
    simulator: config.simulator.enabled,
    compact: false,
  }
  return (Object.keys(PROCESSES) as ProcessName[]).filter((name) => enabled[name])
}

function startChild(
  name: ProcessName,
  path: string,
  dataDir: string,
  parts: readonly ProcessName[],
): SupervisedProcess {
  const options = PROCESSES[name]
  // half of the start time is compilation; the cache must not be writable for other users, who could plant code in it
  const cache = process.env.NODE_COMPILE_CACHE ?? join(dataDir, 'compile-cache')
  return new SupervisedProcess({
    name,
    env: {
      NODE_COMPILE_CACHE: cache,
      WIMZ_HEARTBEAT: '',
      WIMZ_BAD_CONFIG: '',
      WIMZ_PARTS: parts.join(','),
      ...('env' in options ? options.env : {}),
    },
    args: [options.script, '--config', path],
    log,
    onLine: (line) => console.write(`${line}\n`),
    onBadConfig: () => exitCode.resolve(ConfigError.exitCode),
  })
}

async function stopAll(children: ReadonlyMap<ProcessName, SupervisedProcess>): Promise<boolean> {
  let isClean = true
  for (const stage of STOP_ORDER) {
    const stopped = await Promise.all(stage.map((name) => children.get(name)?.stop(PROCESSES[name].deadline)))
    isClean &&= stopped.every((result) => result !== false)
  }
  return isClean
}

/**
 * Starts broker and local relay first, so that no client has to connect twice, then relay-bridge, which would otherwise
 * wait for the others to load, then the rest.
 */
async function startAll(
  names: ProcessName[],
  children: Map<ProcessName, SupervisedProcess>,
  start: (name: ProcessName) => SupervisedProcess,
  isStopping: () => boolean,
): Promise<void> {
  const startStage = (stage: readonly ProcessName[]) => {
    // stopAll has already collected its processes
    if (isStopping()) return
    for (const name of stage) if (names.includes(name)) children.set(name, start(name))
    return Promise.all(stage.map((name) => children.get(name)?.ready))
  }
  await startStage(['broker', 'local-relay', 'compact'])
  const bridge = startStage(['relay-bridge'])
  await Promise.race([bridge, sleep(BRIDGE_START_TIMEOUT_MS)])
  await startStage(['vision', 'webrtc', 'audio', 'recorder', 'metrics', 'homeassistant', 'simulator'])
  await bridge
}

async function main(): Promise<number> {
  const { path, config } = await loadConfig()
  const children = new Map<ProcessName, SupervisedProcess>()
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(1)
      exitCode.resolve(0)
    })
  }
  // on a terminal SIGHUP means that it was closed
  process.on('SIGHUP', () => {
    if (process.stdin.isTTY || process.stdout.isTTY) exitCode.resolve(0)
    else (children.get('broker') ?? children.get('compact'))?.signal('SIGHUP')
  })
  log.info({ version: VERSION, config: path }, 'starting')
  let isStopping = false
  void exitCode.promise.then(() => {
    isStopping = true
  })
  const { values } = parseArgs({ options: { compact: { type: 'boolean' } }, strict: false })
  const enabled = enabledProcesses(config)
  const parts = values.compact ? enabled.filter((name) => COMPACT.includes(name)) : []
  const names =
    parts.length > 0 ? ['compact' as const, ...enabled.filter((name) => !parts.includes(name))] : enabled
  const start = (name: ProcessName) => startChild(name, path, config.data_dir, parts)
  const started = startAll(names, children, start, () => isStopping).then(async () => {
    if (isStopping) return
    collectGarbage()
    if (!config.local_relay.enabled) log.info('all services started')
    else await showPage(config)
  })
  started.catch((err: unknown) => {
    log.fatal({ err }, 'cannot start')
    exitCode.resolve(1)
  })
  const code = await exitCode.promise
  const clean = await stopAll(children)
  log.info({ clean }, 'stopped')
  return code === 0 && !clean ? 1 : code
}

/** Names the addresses of the local page in the log; on a terminal a phone can read one of them. */
async function showPage({ local_relay, cloud }: Config): Promise<void> {
  const { pageAddresses } = await import('#lib/local-page/page-addresses.ts')
  const { here, network } = pageAddresses(local_relay, cloud.device_id)
  const [forPhones] = network
  log.info({ ...(forPhones && { network }) }, `all services started: open ${here} to watch`)
  if (!forPhones || !process.stdout.isTTY) return
  const { qrCode } = await import('#lib/local-page/qr-code.ts')
  process.stdout.write(`${qrCode(forPhones)}\n${forPhones}\n`)
}

try {
  process.exitCode = await main()
} catch (err) {
  if (err instanceof ConfigError) log.fatal(`bad configuration: ${err.message}`)
  else log.fatal({ err }, 'unexpected error')
  process.exitCode = err instanceof ConfigError ? ConfigError.exitCode : 1
}
