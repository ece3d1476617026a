import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { refuseSecrets } from '#dev/harness/secrets.ts'

/** The environment that main.ts and compose.yaml set. */
const ENVIRONMENT = {
  NODE_OPTIONS: '--max-semi-space-size=4',
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '262144',
}

/** The broker in a process of its own, as on a robot; its log lines are checked for secrets. Killed after the test. */
export async function startBrokerProcess(t: TestContext, folder: string, broker: object) {
  const path = join(folder, 'robot.yaml')
  writeFileSync(path, stringify({ broker, data_dir: folder }))
  const probe = ['--expose-gc', '--import', './test/broker/memory-probe.ts']
  const child: ChildProcess = spawn(process.execPath, [...probe, 'broker/main.ts', '--config', path], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...ENVIRONMENT },
  })
  t.after(() => child.kill('SIGKILL'))
  if (!child.stdout) throw new Error('no stdout')
  const lines: string[] = []
  const started = Promise.withResolvers<void>()
  child.on('exit', (code) => started.reject(new Error(`exited with ${code}:\n${lines.join('\n')}`)))
  createInterface(child.stdout).on('line', (line) => {
    refuseSecrets(line)
    lines.push(line)
    if (line.includes('"msg":"started"')) started.resolve()
  })
  await started.promise
  /** Memory of what is still referenced, after a garbage collection, MiB. */
  const live = async (): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<number>()
    const receive = (message: unknown) => {
      if (typeof message === 'number') resolve(message) // beside the messages to a supervisor
    }
    child.on('message', receive)
    child.send('measure')
    const size = await promise
    child.off('message', receive)
    return size
  }
  return { child, lines, live, rss: () => rssOf(child.pid ?? 0) }
}

/** Resident memory of a process, MiB. proc(5), VmRSS. */
export function rssOf(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1024
}
