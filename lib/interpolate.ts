import { ConfigError } from './config-error.ts'
import { readConfiguredFile } from './configured-file.ts'

/** `$$`, `${NAME}` or `${NAME:-default}`. */
const REFERENCE = /\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

/**
 * The text with every `${NAME}` and `${NAME:-default}` replaced from `env` and every `$$` by `$`. An empty variable
 * counts as missing. Where `NAME` is missing or empty and `NAME_FILE` names a file,
 * the value is the content of that file (Docker's convention for secrets). A missing variable without default throws
 * {@link ConfigError}, and so does a file that cannot be read.
 */
export function interpolate(text: string, env: Readonly<Record<string, string | undefined>>): string {
  return text.replace(REFERENCE, (reference, name: string | undefined, fallback: string | undefined) => {
    if (name === undefined) return reference === '$$' ? '$' : reference
    const value = env[name] || fromFile(name, env[`${name}_FILE`]) || undefined
    if (fallback !== undefined) return value || fallback
    if (value === undefined) {
      throw new ConfigError(`environment variable ${name} is not set; set it, or put it into the .env file`)
    }
    return value
  })
}

function fromFile(name: string, path: string | undefined): string | undefined {
  return path ? readConfiguredFile(`${name}_FILE:`, path).toString().trim() : undefined
}
