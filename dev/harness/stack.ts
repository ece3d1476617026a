import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import { type Bus, connectBus } from '#bus/bus.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { documentedConf, type Mosquitto, startMosquitto } from './mosquitto.ts'
import { freePorts } from './ports.ts'
import { refuseSecrets, TEST_SECRET } from './secrets.ts'

const TESTER = 'tester'
/** The stack itself kills what has not stopped after 4 s. */
const STOP_DEADLINE_MS = 15_000
const SILENT = { warn() {}, info() {}, debug() {} }

export type LogLine = Record<string, unknown> & { service?: string; msg?: string; pid?: number }

/** Mosquitto instead of our own broker, set up as docs/other-brokers.md says. */
export const ON_MOSQUITTO = process.env.WIMZ_TEST_BROKER === 'mosquitto'

/** The whole stack as `npm start` runs it: the supervisor and its children, on ports of its own. */
export interface Stack extends AsyncDisposable {
  /** The viewer page. */
  page: string
  brokerPort: number
  /** The config file that it runs with. */
  config: string
  /** What a client needs that may do everything. */
  login: { url: string; username: string; password: string }
  relayPort: number
  supervisor: ChildProcess
  lines: LogLine[]
  /** Process id of each running service, by name. */
  pids: Map<string, number>
  /** The next log line that satisfies `where`. */
  line(where: (line: LogLine) => boolean, within?: number): Promise<LogLine>
  /** A client of its bus, `robot` unless named. */
  join(service?: string): Promise<Bus>
  /** Kills one service with SIGKILL and resolves when it runs again. */
  kill(service: string, within?: number): Promise<void>
}

/** One for all stacks: each has a data_dir of its own, and would compile everything again. */
const COMPILED = join(PROJECT_ROOT, 'node_modules/.cache/compile')

type Config = Record<string, unknown>
/** Starts a process, perhaps elsewhere than here. */
type Start = (program: string, args: string[], options: SpawnOptions) => ChildProcess

/** Starts it and waits until all services started. `config` replaces sections of a demo-like one, and keys of `bus`, `cloud` and `local_relay`. */
export async function startStack(
  config: Config = {},
  { within = 30_000, start = spawn as Start } = {},
): Promise<Stack> {
  const [brokerPort = 0, relayPort = 0] = await freePorts(2)
  const folder = mkdtempSync(join(tmpdir(), 'wimz-stack-'))
  const login = {
    url: `mqtt://127.0.0.1:${brokerPort}`,
    username: TESTER,
    password: ensurePassword(folder, TESTER),
  }
  const base = baseConfig(brokerPort, relayPort, folder)
  const mosquitto = ON_MOSQUITTO ? await besideMosquitto(base, brokerPort, folder) : undefined
  const path = writeStackConfig(folder, base, config)
  const env = { NODE_COMPILE_CACHE: COMPILED, ...process.env, RELAY_URL: '', WIMZ_CONFIG: '' }
  const supervisor = start(process.execPath, ['main.ts', '--config', path], {
    cwd: PROJECT_ROOT,
    env,
    // an inherited stream would keep the test runner waiting for a supervisor that outlives its test
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  supervisor.stderr?.pipe(process.stderr, { end: false })
  const { lines, line, pids } = follow(supervisor)
  const buses: Bus[] = []
  const stack: Stack = {
    page: `http://127.0.0.1:${relayPort}/`,
    brokerPort,
    config: path,
    login,
    relayPort,
    supervisor,
    lines,
    pids,
    line,
    async join(service = 'robot') {
      const bus = await connectBus({
        ...login,
        url: Object(config.bus).url ?? login.url,
        prefix: Object(config.bus).prefix ?? 'wimz',
        service,
        version: '0',
        log: SILENT,
        announce: false,
      })
      buses.push(bus)
      return bus
    },
    async kill(service, killWithin = 15_000) {
      if (service === 'broker' && mosquitto) return await mosquitto.restart()
      const pid = pids.get(service)
      if (pid === undefined) throw new Error(`${service} does not run`)
      const again = line((one) => one.service === service && one.msg === 'started', killWithin)
      process.kill(pid, 'SIGKILL')
      await again
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(buses.map((bus) => bus[Symbol.asyncDispose]()))
      await stopProcesses(supervisor, pids.values().toArray(), path)
      await mosquitto?.[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
    },
  }
  try {
    await line(({ msg }) => msg?.startsWith('all services started') ?? false, within)
  } catch (err) {
    await stack[Symbol.asyncDispose]()
    throw new Error(`the stack did not start:\n${lines.map((one) => JSON.stringify(one)).join('\n')}`, {
      cause: err,
    })
  }
  return stack
}

/**
 * Stops the supervisor, and waits for its services as well: they outlive one that was killed, and write into their data_dir
 * while they stop. What runs with this config at the deadline is killed.
 */
async function stopProcesses(supervisor: ChildProcess, services: number[], config: string): Promise<void> {
  supervisor.kill('SIGTERM')
  const running = () => [supervisor.pid ?? 0, ...services].filter((pid) => commandLine(pid).includes(config))
  const start = performance.now()
  while (running().length > 0 && performance.now() - start < STOP_DEADLINE_MS) await sleep(20)
  for (const pid of running()) process.kill(pid, 'SIGKILL')
}

/** Empty when the process has ended. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** Writes config and users into the folder; returns the path of the config. */
export function writeStackConfig(folder: string, base: Config, config: Config = {}): string {
  writeUsers(folder)
  const cloud = { ...Object(base.cloud), ...Object(config.cloud) }
  const local_relay = { ...Object(base.local_relay), ...Object(config.local_relay) }
  const path = join(folder, 'stack.yaml')
  const bus = { ...Object(base.bus), ...Object(config.bus) }
  writeFileSync(path, stringify({ ...base, ...config, bus, cloud, local_relay }))
  return path
}

/** The users of a default install, and one who may do everything. */
function writeUsers(folder: string): void {
  const all = ['#', '$SYS/#']
  const file = parse(readFileSync(join(PROJECT_ROOT, 'configs/broker.yaml'), 'utf8'))
  file.users[TESTER] = { publish: ['#'], subscribe: all, client_ids: ['*'] }
  writeFileSync(join(folder, 'broker.yaml'), stringify(file))
}

async function besideMosquitto(base: Config, port: number, folder: string): Promise<Mosquitto> {
  Object.assign(base, {
    broker: { enabled: false },
    bus: { url: `mqtt://127.0.0.1:${port}`, own_users: true },
  })
  return await startMosquitto(folder, port, documentedConf(folder, port, TESTER))
}

/** A stack with a local relay and the clip of the demo as its camera. */
export function baseConfig(brokerPort: number, relayPort: number, folder: string): Config {
  return {
    cloud: {
      relay_url: `ws://127.0.0.1:${relayPort}/ws/device`,
      device_id: 'wimz_test',
      device_secret: TEST_SECRET,
    },
    webrtc: { stun_servers: [] },
    vision: { source: { type: 'url', url: 'demo/clip.mp4', loop: true } },
    bus: { url: `mqtt://127.0.0.1:${brokerPort}` },
    broker: { port: brokerPort, users_file: join(folder, 'broker.yaml') },
    local_relay: { enabled: true, port: relayPort },
    data_dir: folder,
  }
}

function follow(child: ChildProcess) {
  const lines: LogLine[] = []
  const pids = new Map<string, number>()
  const watchers = new Set<(line: LogLine) => void>()
  if (!child.stdout) throw new Error('no stdout')
  createInterface(child.stdout).on('line', (text) => {
    refuseSecrets(text)
    const line = JSON.parse(text) as LogLine
    lines.push(line)
    if (line.msg === 'started' && line.service && line.pid) pids.set(line.service, line.pid)
    for (const watch of watchers) watch(line)
  })
  const line = (where: (line: LogLine) => boolean, within = 10_000) => {
    const { promise, resolve, reject } = Promise.withResolvers<LogLine>()
    const timer = setTimeout(() => reject(new Error(`no such log line within ${within} ms`)), within)
    const watch = (one: LogLine) => {
      if (where(one)) resolve(one)
    }
    watchers.add(watch)
    const done = promise.finally(() => {
      clearTimeout(timer)
      watchers.delete(watch)
    })
    return done
  }
  return { lines, pids, line }
}
