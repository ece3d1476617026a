import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Folder of package.json; relative paths in a config file start here. */
export const PROJECT_ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Version of the stack, from package.json. */
export const VERSION: string = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
).version
