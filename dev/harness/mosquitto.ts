import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ensurePassword } from '#lib/password-file.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { endProcess } from './end-process.ts'

/** Debian puts it where only root's PATH looks. */
const PATH = `${process.env.PATH}:/usr/sbin`

export interface Mosquitto extends AsyncDisposable {
  port: number
  process: ChildProcess
  /** What it has said of itself. */
  log: string
  /** SIGKILL, and the same once more. */
  restart(): Promise<void>
}

/** Mosquitto of Debian with this configuration, which must listen on `port`. Resolves when it does. */
export async function startMosquitto(folder: string, port: number, conf: string): Promise<Mosquitto> {
  const path = join(folder, `mosquitto-${port}.conf`)
  // it would change into a user that may not look into our folder
  writeFileSync(path, `user root\n${conf}\n`)
  const start = async () => {
    const child = spawn('mosquitto', ['-v', '-c', path], {
      env: { ...process.env, PATH },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.on('data', (text) => {
      mosquitto.log = `${mosquitto.log}${text}`.slice(-200_000)
    })
    await listening(port, () => child.exitCode !== null).catch(() => {
      throw new Error(`mosquitto does not listen:\n${mosquitto.log}`)
    })
    return child
  }
  const mosquitto: Mosquitto = {
    port,
    log: '',
    process: undefined as unknown as ChildProcess,
    async restart() {
      await endProcess(mosquitto.process)
      mosquitto.process = await start()
    },
    [Symbol.asyncDispose]: () => endProcess(mosquitto.process, 'SIGTERM'),
  }
  mosquitto.process = await start()
  return mosquitto
}

async function listening(port: number, gone: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (performance.now() < deadline && !gone()) {
    const socket = connect(port, '127.0.0.1')
    const opened = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false)
    socket.destroy()
    if (opened) return
    await sleep(20)
  }
  throw new Error('no listener')
}

/**
 * The configuration that configs/mosquitto.conf documents, with its files in `folder`: the users of configs/broker.yaml
 * with generated passwords, and `admin`, who may do everything.
 */
export function documentedConf(folder: string, port: number, admin: string): string {
  const acl = join(folder, 'wimz.acl')
  copyFileSync(join(PROJECT_ROOT, 'configs/mosquitto.acl'), acl)
  const rules = readFileSync(acl, 'utf8')
  const users = Array.from(rules.matchAll(/^user (\S+)$/gm), ([, user]) => user ?? '')
  writeFileSync(acl, `${rules}\nuser ${admin}\ntopic readwrite #\ntopic read $SYS/#\n`)
  const passwords = join(folder, 'wimz.passwd')
  const lines = [...users, admin].map((user) => `${user}:${ensurePassword(folder, user)}\n`)
  writeFileSync(passwords, lines.join(''), { mode: 0o600 })
  execFileSync('mosquitto_passwd', ['-U', passwords], { env: { ...process.env, PATH } })
  return readFileSync(join(PROJECT_ROOT, 'configs/mosquitto.conf'), 'utf8')
    .replaceAll(/\/(etc|var\/lib)\/mosquitto\//g, `${folder}/`)
    .replace('listener 1883 127.0.0.1', `listener ${port} 127.0.0.1`)
}
