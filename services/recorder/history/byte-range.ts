/** Bytes of a file, both included. */
export interface ByteRange {
  start: number
  end: number
}

/**
 * The range of a request, for a file of this size. `all`: no range, or one that a server may ignore (several, or another unit);
 * `invalid`: it begins beyond the end. RFC 9110 §14.
 */
export function byteRange(header: string | undefined, size: number): ByteRange | 'all' | 'invalid' {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return 'all'
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'invalid' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < start) return 'all'
  return start >= size ? 'invalid' : { start, end }
}
