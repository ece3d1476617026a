import { chmodSync, mkdirSync, statfsSync, statSync } from 'node:fs'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { ConfigError } from '../config-error.ts'

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

/** Creates `data_dir`, and makes an existing one inaccessible for other users. A folder that is not ours stays as it is. */
export function secureDataDir(folder: string): void {
  const path = resolve(folder)
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const { mode, uid } = statSync(path)
    const isShared = (mode & 0o1000) !== 0 || path === '/' || path === homedir()
    if (!isShared && uid === process.getuid?.() && (mode & 0o077) !== 0) chmodSync(path, 0o700)
  } catch {
    // read-only or full: what is written there reports it
  }
}

/**
 * Writes the compile cache. On a full disk every module would leak a descriptor (Node 24, `fs.mkstemp` of the cache entry is
 * not closed when the write fails), so it is skipped where space is short.
 */
export function flushCompileCacheSafely(folder = getCompileCacheDir()): boolean {
  try {
    if (folder === undefined) return false
    const { bavail, bsize, ffree, files } = statfsSync(folder)
    if (bavail * bsize < MIN_FREE_BYTES || (files > 0 && ffree < MIN_FREE_FILES)) return false
    flushCompileCache()
    return true
  } catch {
    return false // the folder was deleted
  }
}

/**
 * The environment of a worker thread. Node flushes the compile cache at the end of a thread too, with the same leak, in a
 * process that goes on.
 */
export function workerEnv(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' }
}
