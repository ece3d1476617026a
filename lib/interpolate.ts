import { ConfigError } from './config-error.ts'

/** `$$`, `${NAME}` or `${NAME:-default}`. */
const REFERENCE = /\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

/**
 * The text with every `${NAME}` and `${NAME:-default}` replaced from `env` and every `$$` by `$`. As in a shell, an
 * empty variable counts as missing where there is a default. A missing one without default throws {@link ConfigError}.
 */
export function interpolate(text: string, env: Readonly<Record<string, string | undefined>>): string {
  return text.replace(REFERENCE, (reference, name: string | undefined, fallback: string | undefined) => {
    if (name === undefined) return reference === '$$' ? '$' : reference
    const value = env[name]
    if (fallback !== undefined) return value || fallback
    if (value === undefined) {
      throw new ConfigError(`environment variable ${name} is not set; set it, or put it into the .env file`)
    }
    return value
  })
}
