import { readFileSync } from 'node:fs'
import { ConfigError } from './config-error.ts'

/** Content of a file that the config names. `what` names the key in the {@link ConfigError}. */
export function readConfiguredFile(what: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException
    throw new ConfigError(`${what} ${path} cannot be read (${code})`, { cause: err })
  }
}
