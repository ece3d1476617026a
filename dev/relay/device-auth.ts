import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/**
 * Id of the robot of an upgrade request, or undefined when its signature is missing or wrong. Each item is read from the
 * query, else from its header; five message forms are accepted, hex in any case (docs/relay-protocol.md, authentication).
 */
export function authenticate(
  request: IncomingMessage,
  query: URLSearchParams,
  secretOf: (deviceId: string) => string | undefined,
): string | undefined {
  const item = (parameter: string, header: string) => {
    const value = query.get(parameter) ?? request.headers[header]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const id = item('device_id', 'x-device-id')
  const signature = item('sig', 'x-signature')?.toLowerCase()
  const timestamp = item('timestamp', 'x-timestamp')
  const secret = id === undefined ? undefined : secretOf(id)
  if (id === undefined || secret === undefined || signature === undefined) return undefined
  const messages =
    timestamp === undefined
      ? [id]
      : [id + timestamp, `${id}:${timestamp}`, timestamp + id, `${timestamp}:${id}`, id]
  return messages.some((message) => matches(secret, message, signature)) ? id : undefined
}

function matches(secret: string, message: string, signature: string): boolean {
  const expected = Buffer.from(createHmac('sha256', secret).update(message).digest('hex'))
  const given = Buffer.from(signature)
  return expected.length === given.length && timingSafeEqual(expected, given)
}
