import { createHmac } from 'node:crypto'
import type { Deps } from '#lib/process/service.ts'
import type { BridgeConfig } from '../config.ts'

export interface Credentials {
  deviceId: string
  secret: string
}

/** Reads the credentials anew each time; while the file cannot be read, those of before are used. */
export function createCredentials({ config, reload, log }: Source): () => Credentials {
  let known = config.cloud
  return () => {
    try {
      known = reload?.().cloud ?? known
    } catch (err) {
      log.warn(
        { reason: (err as Error).message },
        'the configuration cannot be read again, going on with the old one',
      )
    }
    return { deviceId: config.cloud.device_id, secret: known.device_secret }
  }
}

type Source = Pick<Deps<BridgeConfig>, 'config' | 'reload' | 'log'>

/** What is signed: `id:timestamp`, or the bare id, which is all that an old relay knows (API_CONTRACT 1.2, form 5). */
export type SignatureForm = 'id:timestamp' | 'id'

/** Lowercase hex HMAC-SHA256 of `message` under the device secret. API_CONTRACT 1.2. */
export function sign(secret: string, message: string): string {
  return createHmac('sha256', secret).update(message).digest('hex')
}

/**
 * Headers that authenticate this device on the upgrade request. Headers only: query strings end up in the logs of
 * proxies. `now` in milliseconds; the relay does not look at its age. API_CONTRACT 1.1, 1.2.
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
