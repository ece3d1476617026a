/** A copy of a payload that is stored, if it would retain a much larger socket buffer. */
export function detachBuffer(payload: string | Buffer): string | Buffer {
  if (typeof payload === 'string' || payload.buffer.byteLength <= 2 * payload.length + 1_024) return payload
  const copy = Buffer.allocUnsafeSlow(payload.length)
  payload.copy(copy)
  return copy
}
