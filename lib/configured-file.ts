import { readFileSync } from 'node:fs'
import { ConfigError } from './config-error.ts'

/** What stands in a file that the config names. `what` says which key, for the {@link ConfigError}. */
export function readConfiguredFile(what: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException
    throw new ConfigError(`${what} ${path} cannot be read (${code})`, { cause: err })
  }
}
