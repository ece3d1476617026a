import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Creates a folder, and those above it that do not exist, for this user only. Throws the system's error. Node's recursive mkdir
 * reports ENOENT for EROFS and never returns below /proc (Node 24).
 */
export function createFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  createFolder(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (err) {
    // another process was faster
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory()) throw err
  }
}

/** What to do about a failed write. */
export function adviceOn(err: unknown): string {
  const { code } = err as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return 'the disk is full: delete files that are not needed (df -h, df -i), or use a larger card'
  if (code === 'EROFS')
    return 'mounted read-only: a worn-out card becomes read-only (dmesg), or the folder is wrong'
  return 'it must be a folder that this user may write to: check its owner and mode'
}
