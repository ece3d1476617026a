import { readFileSync, statSync } from 'node:fs'
import { ConfigError } from './config-error.ts'

/** A users file, certificate or key is smaller by far. */
const MAX_BYTES = 4 * 1024 * 1024

/** Content of a file that the config names. `what` names the key in the {@link ConfigError}. */
export function readConfiguredFile(what: string, path: string): Buffer {
  try {
    const stat = statSync(path)
    // reading a named pipe or a device would block the process
    if (!stat.isFile()) throw new ConfigError(`${what} ${path} is not a file`)
    if (stat.size > MAX_BYTES) throw new ConfigError(`${what} ${path} is larger than 4 MiB`)
    return readFileSync(path)
  } catch (err) {
    if (err instanceof ConfigError) throw err
    const { code } = err as NodeJS.ErrnoException
    throw new ConfigError(`${what} ${path} cannot be read (${code})`, { cause: err })
  }
}
