import { z } from 'zod'
import { isLoopback } from './loopback.ts'
import { ensurePassword } from './password-file.ts'
import { type BusSection, DataDir } from './sections.ts'

/** What of the config tells how to log in at our own broker. */
export const LOGIN_SECTIONS = {
  broker: z
    .looseObject({ enabled: z.boolean().default(true), host: z.string().default('127.0.0.1') })
    .prefault({}),
  data_dir: DataDir,
}

interface LoginConfig {
  broker: { enabled: boolean; host: string }
  data_dir: string
}

/**
 * User name and password of a service: those of section `bus`, or else at our own broker the service's own name and
 * the password that was generated in `data_dir`; none for somebody else's broker. Throws when there is no way to
 * generate one. `passwordOf` may look for a password instead of generating one.
 */
export function busLogin(
  service: string,
  bus: BusSection,
  { broker, data_dir }: LoginConfig,
  passwordOf: (dataDir: string, user: string) => string | undefined = ensurePassword,
): { username?: string | undefined; password?: string | undefined } {
  if (bus.username !== undefined) return { username: bus.username, password: bus.password }
  const host = new URL(bus.url).hostname.replace(/^\[|\]$/g, '')
  const ours = broker.enabled && (isLoopback(host) || host === broker.host)
  if (!ours) return {}
  try {
    const password = passwordOf(data_dir, service)
    return password === undefined ? {} : { username: service, password }
  } catch (err) {
    throw new Error(
      `no password for the bus: make data_dir (${data_dir}) writable for this user, or set bus.username and bus.password`,
      { cause: err },
    )
  }
}
