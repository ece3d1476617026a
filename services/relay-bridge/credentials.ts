import { createHmac } from 'node:crypto'

export interface Credentials {
  deviceId: string
  secret: string
}

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
