import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { hash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stringify } from 'yaml'
import { PROJECT_ROOT } from '#lib/version.ts'
import { openSmallDisk, type SmallDisk, withoutSmallDisks } from '#test/helpers/small-disk.ts'

const skip = withoutSmallDisks()
type Kind = 'full' | 'read-only'
const breakDisk = (disk: SmallDisk, kind: Kind) => (kind === 'full' ? disk.fill() : disk.mount('ro'))
const repair = (disk: SmallDisk, kind: Kind) => (kind === 'full' ? disk.free() : disk.mount('rw'))

/** A program that writes: what it is run with on a broken disk, and what the user sees. */
interface Case {
  name: string
  /** Arguments of Node or, where the first is a `.sh` or `wimz`, of sh. */
  args(disk: SmallDisk): string[]
  code: number
  /** In stdout or stderr, for each kind of disk. */
  says: Record<Kind, RegExp>
  /** Files in this folder of the disk are the same after the failure. */
  unchanged?: string
  /** After the repair the same command succeeds with this output. */
  recovers?: RegExp
}

const ADVICE = { full: /the disk is full: delete files/, 'read-only': /mounted read-only: a worn-out card/ }

const CASES: Case[] = [
  {
    name: 'a service at its first start',
    args: (disk) => ['services/home-assistant/main.ts', '--config', join(disk.folder, 'robot.yaml')],
    code: 1,
    says: ADVICE,
    unchanged: 'data',
  },
  {
    name: 'mosquitto:passwd',
    args: (disk) => ['broker/mosquitto/passwd.ts', '--config', join(disk.folder, 'robot.yaml')],
    code: 1,
    says: ADVICE,
    unchanged: 'data',
    recovers: /^relay-bridge:[\w-]{32}$/m,
  },
  {
    name: 'prepare-settings',
    args: (disk) => ['prepare-settings.ts', 'configs', join(disk.folder, 'settings'), '0'],
    code: 1,
    says: ADVICE,
    unchanged: 'settings',
    recovers: /^created .*robot\.yaml$/m,
  },
  {
    name: 'wimz backup',
    args: (disk) => ['deploy/wimz', 'backup', join(disk.folder, 'backups', 'robot.tar.gz')],
    code: 74,
    says: {
      full: /no backup: .*robot\.tar\.gz could not be written/,
      'read-only': /cannot write .*robot\.tar\.gz/,
    },
    unchanged: 'backups',
    recovers: /saved to .*robot\.tar\.gz/,
  },
  {
    name: 'wimz restore',
    args: (disk) => ['deploy/wimz', 'restore', join(disk.folder, 'saved.tar.gz')],
    code: 74,
    says: {
      full: /not restored, nothing has changed\. Is the disk full/,
      'read-only': /not restored, nothing has changed\. Is the disk full, or read-only\?/,
    },
    unchanged: 'root',
    recovers: /restored from .*saved\.tar\.gz/,
  },
  {
    name: 'wimz update',
    args: () => ['deploy/wimz', 'update', PROJECT_ROOT],
    code: 1,
    says: {
      full: /the new version could not be prepared; the installed one goes on\. Is the disk full/,
      'read-only':
        /the new version could not be prepared; the installed one goes on\. Is the disk full or read-only/,
    },
    unchanged: 'root',
  },
  {
    name: 'wimz rollback',
    args: () => ['deploy/wimz', 'rollback'],
    code: 74,
    says: {
      full: /not rolled back: .*trial cannot be written/,
      'read-only': /not rolled back: .*trial cannot/,
    },
    unchanged: 'root',
  },
  {
    name: 'install.sh --prepare',
    args: () => ['deploy/install.sh', '--prepare'],
    code: 1,
    says: {
      full: /not prepared, nothing has changed: is the disk of .* full/,
      'read-only': /Read-only file system/,
    },
    unchanged: 'root',
  },
  {
    name: 'the doctor',
    args: (disk) => ['doctor/main.ts', '--timeout', '3', '--config', join(disk.folder, 'robot.yaml')],
    code: 1,
    says: ADVICE,
  },
]

for (const kind of ['full', 'read-only'] as const) {
  for (const one of CASES) {
    test(`${one.name} on a ${kind} disk`, { skip }, (t) => {
      const disk = preparedDisk(t)
      const run = () => runOn(disk, one.args(disk))
      breakDisk(disk, kind)
      const before = listing(disk, one.unchanged)
      for (let i = 0; i < (one.unchanged ? 2 : 1); i++) {
        const { code, output } = run()
        assert.match(output, one.says[kind])
        assert.equal(code, one.name === 'wimz backup' && kind === 'read-only' ? 73 : one.code, output)
      }
      assert.deepEqual(listing(disk, one.unchanged), before, 'half a file is left')
      if (!one.recovers) return
      repair(disk, kind)
      const { code, output } = run()
      assert.match(output, one.recovers)
      assert.equal(code, 0, output)
    })
  }
}

/** Stand in for those that would change this machine. */
const PROGRAMS = {
  systemctl: '',
  id: 'echo 0',
  getent: '',
  install: 'for folder; do case $folder in /*) mkdir -p "$folder" || exit 1 ;; esac; done',
}

/** A disk with the config of a robot, a folder of settings, a folder of backups, and an installation for `wimz`. */
function preparedDisk(t: TestContext): SmallDisk {
  const disk = openSmallDisk(t, '2m')
  const installed = ['root/opt/wimz', 'root/opt/wimz-releases', 'root/etc/wimz', 'root/var/lib/wimz']
  for (const folder of ['data', 'settings', 'backups', 'bin', ...installed])
    mkdirSync(join(disk.outside, folder), { recursive: true })
  const config = {
    cloud: { enabled: false },
    webrtc: { stun_servers: [] },
    vision: { source: { type: 'synthetic' } },
    homeassistant: { enabled: true },
    data_dir: join(disk.folder, 'data'),
  }
  writeFileSync(join(disk.outside, 'robot.yaml'), stringify(config))
  const root = join(disk.outside, 'root')
  mkdirSync(join(root, 'opt/wimz-releases/0.1.0-before'))
  symlinkSync('0.1.0-before', join(root, 'opt/wimz-releases/before'))
  // of earlier updates; opened for each
  writeFileSync(join(root, 'opt/wimz-releases/update.log'), '')
  writeFileSync(join(root, 'etc/wimz/robot.yaml'), 'of the archive')
  writeFileSync(join(root, 'var/lib/wimz/outbox.db'), randomBytes(100_000))
  execFileSync('tar', ['-czf', join(disk.outside, 'saved.tar.gz'), '-C', root, 'etc/wimz', 'var/lib/wimz'])
  writeFileSync(join(root, 'etc/wimz/robot.yaml'), 'of now')
  writeFileSync(join(root, 'var/lib/wimz/outbox.db'), randomBytes(100_000))
  writeFileSync(join(root, 'var/lib/wimz/outbox.db-wal'), 'of now')
  writeFileSync(join(disk.outside, 'backups/robot.tar.gz'), 'the backup before')
  for (const [name, script] of Object.entries(PROGRAMS))
    writeFileSync(join(disk.outside, 'bin', name), `#!/bin/sh\n${script}`, { mode: 0o755 })
  return disk
}

function runOn(disk: SmallDisk, [program = '', ...args]: string[]): { code: number | null; output: string } {
  const isScript = !program.endsWith('.ts')
  const { code, stdout, stderr } = disk.run(isScript ? 'sh' : process.execPath, [program, ...args], {
    cwd: PROJECT_ROOT,
    env: {
      ...process.env,
      WIMZ_ROOT: join(disk.folder, 'root'),
      PATH: `${join(disk.folder, 'bin')}:${process.env.PATH}`,
    },
  })
  return { code, output: stdout + stderr }
}

/** Names and digests of the files in a folder of the disk. */
function listing(disk: SmallDisk, folder = ''): [name: string, digest: string][] {
  const root = join(disk.outside, folder)
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => [path, hash('sha256', readFileSync(path))])
}
