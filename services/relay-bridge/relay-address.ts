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
    throw new ConfigError(`${source}: expected ws://… or wss://…, got ${JSON.stringify(text)}`)
  }
  if (url.pathname === '/') url.pathname = DEVICE_PATH
  return url
}
