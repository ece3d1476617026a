import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parse, stringify } from 'yaml'
import { type Bus, connectBus } from '#bus/bus.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { documentedConf, type Mosquitto, startMosquitto } from './mosquitto.ts'
import { freePorts } from './ports.ts'
import { refuseSecrets, TEST_SECRET } from './secrets.ts'

const TESTER = 'tester'
const STOP_DEADLINE_MS = 20_000
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

/** Starts it and waits until all services started. `config` replaces sections of a demo-like one, and keys of `cloud`. */
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
    stdio: ['ignore', 'pipe', 'inherit'],
  })
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
        prefix: 'wimz',
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
      await Promise.all(buses.map((bus) => bus[Symbol.asyncDispose]()))
      if (supervisor.exitCode === null && supervisor.signalCode === null) {
        const exited = new Promise((resolve) => supervisor.once('exit', resolve))
        supervisor.kill('SIGTERM')
        const timer = setTimeout(() => supervisor.kill('SIGKILL'), STOP_DEADLINE_MS)
        await exited
        clearTimeout(timer)
      }
      await mosquitto?.[Symbol.asyncDispose]()
      // a service that outlived a killed supervisor still writes for a moment
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
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

/** Writes config and users into the folder; returns the path of the config. */
export function writeStackConfig(folder: string, base: Config, config: Config = {}): string {
  writeUsers(folder)
  const cloud = { ...Object(base.cloud), ...Object(config.cloud) }
  const path = join(folder, 'stack.yaml')
  writeFileSync(path, stringify({ ...base, ...config, cloud }))
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
