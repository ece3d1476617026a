import { type ChildProcess, execFileSync, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { closeAfter } from './close-after.ts'

/** A tmpfs in a mount namespace of its own: it is gone with the processes in it. */
export interface SmallDisk {
  /** Where it is mounted, for the processes in the namespace. */
  folder: string
  /** The same folder for this process. */
  outside: string
  /** Starts a process that sees it. */
  spawn(program: string, args: string[], options: SpawnOptions): ChildProcess
  /** Runs a process that sees it, for 60 s at most. */
  run(
    program: string,
    args: string[],
    options?: SpawnOptions,
  ): { code: number | null; stdout: string; stderr: string }
  /** Leaves no byte free. */
  fill(): void
  /** Deletes what filled it. */
  free(): void
  /** Throws while a file on it is open for writing. */
  mount(how: 'ro' | 'rw'): void
}

/** Why there can be none here, for `skip`. */
export function withoutSmallDisks(): string | false {
  const { status } = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'])
  return status === 0 ? false : 'needs root for a tmpfs'
}

/** Mounts it; `size` as tmpfs(5) writes it. */
export function openSmallDisk(t: TestContext, size: string): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'wimz-disk-'))
  // keeps the namespace; it ends with this process, whose pipe it reads
  const holder = spawn('unshare', ['-m', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] })
  closeAfter(t, () => {
    holder.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const pid = String(holder.pid)
  const entered = (program: string, args: string[]) => [
    '-t',
    pid,
    '-m',
    `--wd=${process.cwd()}`,
    program,
    ...args,
  ]
  const sh = (script: string) =>
    execFileSync('nsenter', entered('sh', ['-c', script, 'sh', folder]), { stdio: 'pipe' })
  // until unshare has made the namespace, nsenter would mount it for the whole machine
  while (
    spawnSync('sh', ['-c', `[ "$(readlink /proc/${pid}/ns/mnt)" != "$(readlink /proc/$$/ns/mnt)" ]`])
      .status !== 0
  );
  sh(`mount -t tmpfs -o size=${size} none "$1"`)
  return {
    folder,
    outside: `/proc/${pid}/root${folder}`,
    spawn: (program, args, options) => spawn('nsenter', entered(program, args), options),
    run(program, args, options) {
      const { status, stdout, stderr } = spawnSync('nsenter', entered(program, args), {
        ...options,
        stdio: ['ignore', 'pipe', 'pipe'],
        encoding: 'utf8',
        timeout: 60_000,
        killSignal: 'SIGKILL',
      })
      return { code: status, stdout, stderr }
    },
    // blocks of files that are half full are left to others, so the last bytes go one by one
    fill: () =>
      void sh(
        'dd if=/dev/zero of="$1/fill" bs=64k 2>/dev/null || true; dd if=/dev/zero of="$1/fill.more" bs=1 count=4096 2>/dev/null || true',
      ),
    free: () => void sh('rm -f "$1/fill" "$1/fill.more"'),
    mount: (how) => void sh(`mount -o remount,${how} "$1"`),
  }
}
