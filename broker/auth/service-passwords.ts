import { type Control, grantedControls } from '#commands/controls.ts'
import { ConfigError } from '#lib/config-error.ts'
import type { BusSection } from '#lib/config-schema.ts'
import type { Logger } from '#lib/logger.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { Credentials } from './credentials.ts'
import { readUsers, type Users } from './users.ts'

interface LoginConfig {
  broker: { users_file: string }
  bus: BusSection
  data_dir: string
  homeassistant?: { enabled: boolean; controls: Control[] }
}

/**
 * Reads `broker.users_file` and generates the passwords of users without a hash. Throws a ConfigError if the file cannot
 * be read or is invalid.
 */
export function loadUsers(config: LoginConfig, log: Logger): { users: Users; credentials: Credentials } {
  const { bus, data_dir } = config
  const users = readUsers(config.broker.users_file, bus.prefix, controlsOf(config))
  if (users.byName.size === 0 && users.local.publish.length + users.local.subscribe.length === 0) {
    throw new ConfigError(`${config.broker.users_file}: no users: no service could log in`)
  }
  let failed = false
  const passwordOf = (user: string): string | undefined => {
    if (user === bus.username) return bus.password
    try {
      return ensurePassword(data_dir, user)
    } catch (err) {
      if (!failed) {
        log.error(
          { err, user, data_dir },
          'cannot create the password file: is data_dir writable? This user cannot log in',
        )
      }
      failed = true
      return undefined
    }
  }
  for (const { name, hash } of users.byName.values()) if (hash === undefined) passwordOf(name)
  if (bus.username !== undefined && !users.byName.has(bus.username)) {
    log.warn(
      { user: bus.username },
      'bus.username is not a user of broker.users_file: the services cannot log in',
    )
  }
  return { users, credentials: new Credentials(passwordOf) }
}

function controlsOf({ homeassistant }: Pick<LoginConfig, 'homeassistant'>): readonly Control[] {
  return homeassistant ? grantedControls(homeassistant) : []
}
