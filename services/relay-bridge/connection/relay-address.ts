import { ConfigError } from '#lib/config-error.ts'

const DEVICE_PATH = '/ws/device'

/**
 * The relay's WebSocket address: `RELAY_URL` of the environment wins over the config, and an empty path means
 * `/ws/device` (API_CONTRACT 5.4). Throws {@link ConfigError} for anything that is no ws:// or wss:// address.
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

/** An address for a log line or the bus: user, password and the values of a query are left out. */
export function shownAddress(address: URL | string): string {
  const url = URL.parse(address)
  // "relay.example:8000" is an address as well, of scheme "relay.example:", without an authority
  if (!url || url.host === '') return String(address).replace(/^(.*@)|[?#].*$/gs, '')
  if (url.username) url.username = 'xxx'
  if (url.password) url.password = 'xxx'
  for (const key of new Set(url.searchParams.keys())) url.searchParams.set(key, 'xxx')
  url.hash = ''
  return url.href
}

/** An address of the relay for HTTP, without what authenticates the socket. */
export function relayHttp(relay: URL, path: string): URL {
  return new URL(path, `${relay.protocol === 'wss:' ? 'https:' : 'http:'}//${relay.host}`)
}
