import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { hasOpen } from './open-files.ts'

/** Of the lines of /proc/net/tcp, by white space: proc(5). */
const [LOCAL, REMOTE, INODE] = [1, 2, 9]

/**
 * Whether the other end of an accepted connection over 127.0.0.1 is a socket of this process. Only Linux can tell; elsewhere it
 * is true. Synchronous: FFmpeg holds threads of the pool, which files are read in, while it waits for this connection.
 */
export function isOwnPeer({ localPort, remotePort }: Socket): boolean {
  if (process.platform !== 'linux') return true
  const table = readFileSync('/proc/self/net/tcp', 'utf8')
  const [local, remote] = [loopback(remotePort), loopback(localPort)]
  const peer = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((fields) => fields[LOCAL] === local && fields[REMOTE] === remote)
  if (!peer) return false
  return hasOpen('self', `socket:[${peer[INODE]}]`)
}

/** 127.0.0.1 and a port as /proc/net/tcp has them: the address in the byte order of the machine, which is little-endian. */
function loopback(port = 0): string {
  return `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
}
