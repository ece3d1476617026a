import { closeSync, openSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** `sun_path` of Linux is 108 bytes with a zero at its end; macOS has 104. */
const MAX_PATH_BYTES = 103

export interface SocketAddress extends Disposable {
  /** To listen on or to connect to, until this is disposed. */
  readonly path: string
}

/**
 * The address of a Unix socket at this path. A path that is too long for a socket is named by a descriptor of its folder. Throws
 * the system's error when that folder does not exist.
 */
export function socketAddress(path: string): SocketAddress {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return { path, [Symbol.dispose]() {} }
  const folder = openSync(dirname(path), 'r')
  return {
    path: join(`/proc/self/fd/${folder}`, basename(path)),
    [Symbol.dispose]: () => closeSync(folder),
  }
}

/** Where the recorder serves the history, for processes of this user. */
export function historySocketPath(dataDir: string): string {
  return join(dataDir, 'recorder', 'history.sock')
}
