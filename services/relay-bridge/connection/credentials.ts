import { createHmac } from 'node:crypto'
import type { Deps } from '#lib/process/service.ts'
import type { BridgeConfig } from '../config.ts'

export interface Credentials {
  deviceId: string
  secret: string
}

type Source = Pick<Deps<BridgeConfig>, 'config' | 'reload' | 'log'>

/** Re-reads the credentials on each call; falls back to the last good ones. */
export function createCredentials({ config, reload, log }: Source): () => Credentials {
  let known = config.cloud
  return () => {
    try {
      known = reload?.().cloud ?? known
    } catch (err) {
      log.warn({ reason: (err as Error).message }, 'configuration reload failed; keeping the old one')
    }
    return { deviceId: config.cloud.device_id, secret: known.device_secret }
  }
}

/** What is signed: `id:timestamp`, or the bare id, the only form that an old relay knows. */
export type SignatureForm = 'id:timestamp' | 'id'

/** Lowercase hex HMAC-SHA256 of `message` under the device secret. */
export function sign(secret: string, message: string): string {
  return createHmac('sha256', secret).update(message).digest('hex')
}

/**
 * Headers that authenticate this device on the upgrade request (docs/relay-protocol.md, authentication). Never in the
 * query: proxies log it. `now` in milliseconds; the relay does not check its age.
 */
export function authHeaders(
  { deviceId, secret }: Credentials,
  form: SignatureForm,
  now = Date.now(),
): Record<string, string> {
  if (form === 'id') return { 'X-Device-ID': deviceId, 'X-Signature': sign(secret, deviceId) }
  const timestamp = String(Math.floor(now / 1000))
  return {
    'X-Device-ID': deviceId,
    'X-Signature': sign(secret, `${deviceId}:${timestamp}`),
    'X-Timestamp': timestamp,
  }
}
