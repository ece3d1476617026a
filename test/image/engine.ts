import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import type { Stage } from './dockerfile.ts'
import { debian, standIn } from './rehearsal.ts'

const execute = promisify(execFile)

/**
 * Runs dockerd in a PID and mount namespace until the pipe of the test is closed. With this script the namespace ends: the
 * kernel kills containerd and the containers, which are in no process group of the test, and nothing stays mounted.
 */
const NAMESPACE = ['--pid', '--fork', '--kill-child', '--mount-proc']
const DAEMON = `exec 3<&0
dockerd "$@" </dev/null 3<&- & daemon=$!
{ cat >/dev/null; kill $daemon; sleep 15; kill -s KILL $daemon; } <&3 &
exec 3<&-
wait $daemon`

/** A Docker engine of this test alone, without network bridges; nothing of the machine's own engine is touched. */
export interface Engine {
  /** Runs a program, with this engine as Docker's; returns its stdout. */
  run(program: string, args: string[], options?: { cwd?: string }): Promise<string>
}

/** Starts dockerd with its data in `folder`; it ends with the test. Returns the reason where it cannot be started. */
export async function startEngine(t: TestContext, folder: string): Promise<Engine | string> {
  const socket = `unix://${join(folder, 'docker.sock')}`
  const logFile = join(folder, 'dockerd.log')
  const log = openSync(logFile, 'w')
  const files = ['--data-root', join(folder, 'docker'), '--exec-root', join(folder, 'exec')]
  const pidFile = ['--pidfile', join(folder, 'dockerd.pid')]
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false']
  const options = ['-H', socket, ...files, ...pidFile, ...network]
  const daemon = spawn('unshare', [...NAMESPACE, 'sh', '-c', DAEMON, 'sh', ...options], {
    stdio: ['pipe', log, log],
  })
  closeSync(log)
  closeAfter(t, async () => {
    daemon.stdin?.end()
    if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit')
  })
  let problem: string | undefined
  daemon.once('error', (err) => (problem = err.message))
  daemon.once('exit', (code) => (problem ??= `dockerd exited with ${code}`))
  const run: Engine['run'] = async (program, args, options = {}) => {
    const env = {
      ...process.env,
      DOCKER_HOST: socket,
      DOCKER_BUILDKIT: '0',
      COMPOSE_PROJECT_NAME: 'wimztest',
    }
    const { stdout } = await execute(program, args, { ...options, env, maxBuffer: 64 * 2 ** 20 })
    return stdout
  }
  const answers = () =>
    run('docker', ['version']).then(
      () => true,
      () => problem !== undefined,
    )
  await until(answers, {
    deadline: 60_000,
    every: 500,
    show: () => readFileSync(logFile, 'utf8').slice(-2_000),
  })
  if (problem !== undefined) {
    return `no Docker engine can be started here (${problem}): ${readFileSync(logFile, 'utf8').trim().split('\n').at(-1)}`
  }
  return { run }
}

/** Makes the images that the Dockerfile takes from a registry, from Debian's packages and this Node. */
export async function importBases(engine: Engine, stages: readonly Stage[], folder: string): Promise<void> {
  const base = debian(folder)
  const own = new Set(stages.map(({ name }) => name))
  const authorities = process.env.NODE_EXTRA_CA_CERTS
  for (const from of new Set(stages.map((stage) => stage.from))) {
    if (own.has(from)) continue
    const root = join(folder, `base-${from.replace(/\W/g, '-')}`)
    execFileSync('cp', ['-a', base, root])
    standIn(from, root)
    const archive = `${root}.tar`
    execFileSync('tar', ['-C', root, '-cf', archive, '.'])
    const change = authorities ? ['--change', `ENV NODE_EXTRA_CA_CERTS=${authorities}`] : []
    await engine.run('docker', ['import', ...(from.startsWith('node:') ? change : []), archive, from])
    execFileSync('rm', ['-rf', root, archive])
  }
}
