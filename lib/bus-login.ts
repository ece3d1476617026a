import { z } from 'zod'
import { bareHost } from '#bus/bare-host.ts'
import { ConfigError } from './config-error.ts'
import { type BusSection, busUrls, DataDir } from './config-schema.ts'
import { readConfiguredFile } from './configured-file.ts'
import { isLoopback } from './loopback.ts'
import { ensurePassword } from './password-file.ts'

/** Config sections that decide how to log in to our own broker. */
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

/** Credentials of a service at the broker, and the TLS options that verify the broker. */
interface BusLogin {
  username?: string | undefined
  password?: string | undefined
  tls?: { ca?: Buffer; cert?: Buffer; key?: Buffer }
}

/**
 * User name, password and certificates of a service: name and password of section `bus`; or, with our own broker or
 * `bus.own_users`, the service's name and the password generated in `data_dir`; no login with an external broker otherwise.
 * Throws when a password cannot be generated, and {@link ConfigError} when a PEM file cannot be read. `passwordOf` may
 * find an existing password instead of generating one.
 */
export function busLogin(
  service: string,
  bus: BusSection,
  { broker, data_dir }: LoginConfig,
  passwordOf: (dataDir: string, user: string) => string | undefined = ensurePassword,
): BusLogin {
  const tls = readCertificates(bus)
  if (bus.username !== undefined) return { username: bus.username, password: bus.password, ...tls }
  const hosts = busUrls(bus.url).map((url) => bareHost(new URL(url).hostname))
  const ours = broker.enabled && hosts.every((host) => isLoopback(host) || host === broker.host)
  if (!ours && !bus.own_users) return { ...tls }
  try {
    const password = passwordOf(data_dir, service)
    return password === undefined ? { ...tls } : { username: service, password, ...tls }
  } catch (err) {
    throw new Error(
      `no password for the bus: make data_dir (${data_dir}) writable for this user, or set bus.username and bus.password`,
      { cause: err },
    )
  }
}

function readCertificates(bus: BusSection): Pick<BusLogin, 'tls'> | undefined {
  const named = (['ca', 'cert', 'key'] as const).filter((name) => bus[name] !== undefined)
  if (named.length === 0) return undefined
  return { tls: Object.fromEntries(named.map((name) => [name, readPem(`bus.${name}`, bus[name] ?? '')])) }
}

function readPem(key: string, path: string): Buffer {
  const bytes = readConfiguredFile(`${key}:`, path)
  if (!bytes.includes('-----BEGIN ')) throw new ConfigError(`${key}: ${path} is not a PEM file`)
  return bytes
}
