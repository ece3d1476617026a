import { chmodSync, statfsSync, statSync } from 'node:fs'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { ConfigError } from '../config-error.ts'
import { createFolder } from './disk.ts'

/** Free space below which the compile cache is not flushed; a process writes up to 10 MB. */
const MIN_FREE_BYTES = 64 * 2 ** 20
const MIN_FREE_FILES = 4_096

/** Files that this process creates are readable for its user only. Throws {@link ConfigError} where TLS is not verified. */
export function hardenProcess(env: Readonly<Record<string, string | undefined>> = process.env): void {
  process.umask(0o077)
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    throw new ConfigError(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 turns off the verification of every certificate: unset it; NODE_EXTRA_CA_CERTS names a CA',
    )
  }
}

/** File system types (statfs(2)) of the kernel's own: /proc, /sys, cgroups, debugfs. */
const VIRTUAL_TYPES: ReadonlySet<number> = new Set([0x9fa0, 0x62656572, 0x63677270, 0x64626720])

/**
 * Creates `data_dir`, and makes an existing one inaccessible for other users. A folder that is not ours stays as it is. Throws
 * {@link ConfigError} where it can never be a folder.
 */
export function secureDataDir(folder: string): void {
  const path = resolve(folder)
  rejectUnusable(folder, path)
  try {
    createFolder(path)
    const { mode, uid } = statSync(path)
    const isShared = (mode & 0o1000) !== 0 || path === '/' || path === homedir()
    if (!isShared && uid === process.getuid?.() && (mode & 0o077) !== 0) chmodSync(path, 0o700)
  } catch {
    // read-only or full: what is written there reports it
  }
}

/** A folder on a file system of the kernel, or below a file, can never be created. */
function rejectUnusable(folder: string, path: string): void {
  const existing = firstExisting(path)
  if (existing === undefined || !statSync(existing).isDirectory()) {
    throw new ConfigError(`data_dir: ${folder} cannot be a folder: a part of the path is a file`)
  }
  if (VIRTUAL_TYPES.has(statfsSync(existing).type)) {
    throw new ConfigError(`data_dir: ${folder} is on a file system of the kernel: name a folder on a disk`)
  }
}

/** The path, or the nearest folder above it that exists; undefined where a file is in between. */
function firstExisting(path: string): string | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    return found ? path : firstExisting(dirname(path))
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    return dirname(path) // no right to see it
  }
}

/**
 * Writes the compile cache. On a full disk every module would leak a descriptor (Node 24, `fs.mkstemp` of the cache entry is
 * not closed when the write fails), so it is skipped where space is short.
 */
export function flushCompileCacheSafely(folder = getCompileCacheDir()): boolean {
  if (!hasSpace(folder)) return false
  flushCompileCache()
  return true
}

/**
 * The environment of a worker thread. Node flushes the compile cache at the end of a thread too, with the same leak, in a
 * process that goes on, so a thread gets no cache where space is short. Without it Node's TypeScript compiler is loaded into
 * the thread, which takes 17 MiB. A thread flushes the cache when it has loaded its modules; its end then writes nothing.
 */
export function workerEnv(folder = getCompileCacheDir()): NodeJS.ProcessEnv {
  return hasSpace(folder) ? { ...process.env } : { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' }
}

/** False without a folder, too. */
function hasSpace(folder: string | undefined): boolean {
  if (folder === undefined) return false
  try {
    const { bavail, bsize, ffree, files } = statfsSync(folder)
    return bavail * bsize >= MIN_FREE_BYTES && (files === 0 || ffree >= MIN_FREE_FILES)
  } catch {
    return false // the folder was deleted
  }
}
