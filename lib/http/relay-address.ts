import { ConfigError } from '#lib/config-error.ts'

const DEVICE_PATH = '/ws/device'

/**
 * The relay's WebSocket address: `RELAY_URL` of the environment overrides the config, and an empty path means
 * `/ws/device`. Throws {@link ConfigError} for any other scheme than ws: and wss:.
 */
export function relayAddress(configured: string, override: string | undefined): URL {
  const [source, text] = override?.trim() ? ['RELAY_URL', override.trim()] : ['cloud.relay_url', configured]
  const url = URL.parse(text)
  if (!url || !['ws:', 'wss:'].includes(url.protocol)) {
    throw new ConfigError(`${source}: expected ws://… or wss://…, got ${JSON.stringify(shownAddress(text))}`)
  }
  if (url.pathname === '/') url.pathname = DEVICE_PATH
  return url
}

/** An address for a log line or the bus, without user, password and the values of the query. */
export function shownAddress(address: URL | string): string {
  const url = URL.parse(address)
  // "relay.example:8000" parses too, with the scheme "relay.example:" and no host
  if (!url || url.host === '') return String(address).replace(/^(.*@)|[?#].*$/gs, '')
  if (url.username) url.username = 'xxx'
  if (url.password) url.password = 'xxx'
  for (const key of new Set(url.searchParams.keys())) url.searchParams.set(key, 'xxx')
  url.hash = ''
  return url.href
}

/** An HTTP address of the relay, without the credentials of the socket's address. */
export function relayHttp(relay: URL, path: string): URL {
  return new URL(path, `${relay.protocol === 'wss:' ? 'https:' : 'http:'}//${relay.host}`)
}
