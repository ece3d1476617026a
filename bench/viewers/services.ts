import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Bus, connectBus } from '#bus/bus.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { baseConfig, writeStackConfig } from '#dev/harness/stack.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { PROJECT_ROOT } from '#lib/version.ts'

const USER = 'tester'
/** Longest time from the start of a service to its log line `started`. */
const START_TIMEOUT_MS = 120_000
const SILENT = { warn() {}, info() {}, debug() {} }

/** Broker and `webrtc`, without the supervisor and without `vision`, whose frames would come between those of the benchmark. */
export interface Services extends AsyncDisposable {
  /** By name. */
  pids: ReadonlyMap<string, number>
  bus: Bus
}

/** Each as the supervisor starts it (main.ts); `inspectPort` is where SIGUSR1 opens the inspector of `webrtc`. */
export async function startServices(webrtc: object, inspectPort: number): Promise<Services> {
  const [port = 0, relayPort = 0] = await freePorts(2)
  const folder = mkdtempSync(join(tmpdir(), 'wimz-bench-'))
  const password = ensurePassword(folder, USER)
  const config = writeStackConfig(folder, baseConfig(port, relayPort, folder), { webrtc })
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const start = async (script: string, ...nodeOptions: string[]) => {
    const args = ['--max-semi-space-size=4', ...nodeOptions, script, '--config', config]
    const env = { ...process.env, RELAY_URL: '', WIMZ_CONFIG: '', MALLOC_ARENA_MAX: '2' }
    const child = spawn(process.execPath, args, {
      cwd: PROJECT_ROOT,
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    stack.defer(() => stop(child))
    await started(child, script)
    return child.pid ?? 0
  }
  const broker = await start('broker/main.ts')
  const webrtcPid = await start('services/webrtc/main.ts', `--inspect-port=${inspectPort}`)
  const bus = await connectBus({
    url: `mqtt://127.0.0.1:${port}`,
    username: USER,
    password,
    prefix: 'wimz',
    service: 'bench',
    version: '0',
    log: SILENT,
    announce: false,
  })
  stack.use(bus)
  const owned = stack.move()
  return {
    pids: new Map([
      ['broker', broker],
      ['webrtc', webrtcPid],
    ]),
    bus,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function started(child: ChildProcess, script: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error(`${script} did not start`)), START_TIMEOUT_MS)
  if (!child.stdout) throw new Error('no stdout')
  createInterface(child.stdout).on('line', (text) => {
    if (JSON.parse(text).msg === 'started') resolve()
  })
  child.once('exit', (code) => reject(new Error(`${script} exited with ${code}`)))
  return promise.finally(() => clearTimeout(timer))
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
}
