/** A payload that is kept must not keep the whole chunk of the socket alive that it came in. */
export function ownBytes(payload: string | Buffer): string | Buffer {
  if (typeof payload === 'string' || payload.buffer.byteLength <= 2 * payload.length + 1_024) return payload
  const copy = Buffer.allocUnsafeSlow(payload.length)
  payload.copy(copy)
  return copy
}
