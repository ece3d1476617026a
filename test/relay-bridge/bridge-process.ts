import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { type Bus, connectBus } from '#bus/bus.ts'
import { endProcess } from '#dev/harness/end-process.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { refuseSecrets, TEST_SECRET } from '#dev/harness/secrets.ts'
import { createLogger } from '#lib/logger.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { rssOf, startBrokerProcess } from '#test/broker/broker-process.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

/** The environment that main.ts, compose.yaml and the systemd unit set. */
const ENVIRONMENT = {
  NODE_OPTIONS: '--max-semi-space-size=2 --expose-gc',
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
}

export interface BridgeProcess {
  child: ChildProcess
  /** Its log; lines on stderr have the prefix `unforeseen: `. */
  lines: string[]
}

interface Options {
  logLevel?: string
  secret?: string
  /** Of a broker that runs; by default one is started in a process of its own. */
  port?: number
}

/** A bridge to this relay in a process of its own, with the memory options of the supervisor, and a robot service on the bus. */
export async function startBridgeProcess(
  t: TestContext,
  relay: { url: string },
  { logLevel = 'info', secret = TEST_SECRET, port }: Options = {},
): Promise<{ robot: Bus; bridge: BridgeProcess; broker: ChildProcess | undefined; config: string }> {
  const stack = new AsyncDisposableStack()
  // the first hook: it ends the bridge before its broker and its folder go
  t.after(() => stack.disposeAsync())
  const folder = temporaryFolder(t)
  const started = port === undefined ? await startBroker(t, folder) : undefined
  const url = `mqtt://127.0.0.1:${started?.port ?? port}`
  const log = createLogger('test', { write() {} })
  const robot = stack.use(await connectBus({ url, prefix: 'wimz', service: 'robot', version: '0', log }))
  const config = join(folder, 'bridge.yaml')
  const cloud = { relay_url: relay.url, device_id: 'wimz_robot_99', device_secret: secret }
  writeFileSync(config, stringify({ cloud, broker: { enabled: false }, bus: { url }, data_dir: folder }))
  const collector = new URL('./protocol/gc-on-signal.ts', import.meta.url).href
  const args = ['--import', collector, 'services/relay-bridge/main.ts', '--config', config]
  const child = spawn(process.execPath, args, {
    cwd: PROJECT_ROOT,
    env: {
      ...process.env,
      RELAY_URL: '',
      LOG_LEVEL: logLevel,
      ...ENVIRONMENT,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  createInterface(child.stdout).on('line', (line) => {
    refuseSecrets(line)
    lines.push(line)
  })
  // Node's own warnings, too: a timer of NaN milliseconds is a mistake of ours
  createInterface(child.stderr).on('line', (line) => lines.push(`unforeseen: ${line}`))
  stack.defer(() => endProcess(child, 'SIGTERM'))
  return { robot, bridge: { child, lines }, broker: started?.child, config }
}

async function startBroker(t: TestContext, folder: string) {
  const [port = 0] = await freePorts(1)
  const usersFile = join(PROJECT_ROOT, 'test/helpers/open-access.yaml')
  const { child } = await startBrokerProcess(t, folder, { port, users_file: usersFile })
  return { child, port }
}

/** The largest resident memory that the process has had, MiB. proc(5), VmHWM. */
export function peakMemory({ child }: BridgeProcess): number {
  const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1024
}

/** Resident memory after a garbage collection, MiB: the least of a few readings. */
export async function memoryAfterCollection({ child }: BridgeProcess): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) {
    child.kill('SIGUSR2')
    await sleep(300)
    least = Math.min(least, rssOf(child.pid ?? 0))
  }
  return least
}
