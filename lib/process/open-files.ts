import { readdirSync, readlinkSync } from 'node:fs'

/**
 * Whether a process has a file or a socket (`socket:[inode]`) open. Throws when the process has exited, or belongs to another
 * user. Linux; proc(5), /proc/pid/fd.
 */
export function hasOpen(pid: string, target: string): boolean {
  return readdirSync(`/proc/${pid}/fd`).some((fd) => targetOf(`/proc/${pid}/fd/${fd}`) === target)
}

function targetOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(descriptor)
  } catch {
    return undefined // closed since
  }
}
