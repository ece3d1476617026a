import type { BusSection } from '#lib/config-schema.ts'
import type { Logger } from '#lib/logger.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { Credentials } from './credentials.ts'
import { readUsers, type Users } from './users.ts'

interface LoginConfig {
  broker: { users_file: string }
  bus: BusSection
  data_dir: string
}

/**
 * The users of `broker.users_file`, and what tells whether a password is theirs. Generates the passwords that nobody has
 * configured. Throws a ConfigError when the file cannot be read or understood.
 */
export function loadUsers(config: LoginConfig, log: Logger): { users: Users; credentials: Credentials } {
  const { bus, data_dir } = config
  const users = readUsers(config.broker.users_file, bus.prefix)
  let failed = false
  const passwordOf = (user: string): string | undefined => {
    if (user === bus.username) return bus.password
    try {
      return ensurePassword(data_dir, user)
    } catch (err) {
      if (!failed) {
        log.error({ err, data_dir }, 'password not there: is data_dir writable? Its user cannot log in')
      }
      failed = true
      return undefined
    }
  }
  for (const { name, hash } of users.byName.values()) if (hash === undefined) passwordOf(name)
  if (bus.username !== undefined && !users.byName.has(bus.username)) {
    log.warn({ user: bus.username }, 'bus.username is no user of broker.users_file: services cannot log in')
  }
  return { users, credentials: new Credentials(passwordOf) }
}
