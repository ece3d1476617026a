import { collectConfig } from '#lib/config.ts'
import { ConfigError } from '#lib/config-error.ts'
import { hideCredentials, hideSignatures } from '#lib/redact.ts'
import { ALL_SECTIONS } from '../config-schema.ts'

/** Keys with secret values. */
const SECRET = /secret|password|credential|token|devices/i

/** Returns a function that removes the secrets of the config and of `iceServers` from a text. */
export function createRedactor(path: string, iceServers: unknown[]): (text: string) => string {
  const secrets = new Set(secretsIn({ config: readAll(path), iceServers }, false))
  return (text) => {
    let hidden = hideCredentials(hideSignatures(text))
    for (const secret of secrets) hidden = hidden.replaceAll(secret, '[secret]')
    return hidden
  }
}

function readAll(path: string): unknown {
  try {
    return collectConfig(path, ALL_SECTIONS, ['cloud.device_id', 'cloud.device_secret']).values
  } catch (err) {
    if (err instanceof ConfigError) return undefined
    throw err
  }
}

/** Every string at or below a secret key; one shorter than 4 characters would hide parts of ordinary words. */
function secretsIn(value: unknown, secret: boolean): string[] {
  if (typeof value === 'string') return secret && value.length >= 4 ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => secretsIn(inner, secret || SECRET.test(key)))
}
