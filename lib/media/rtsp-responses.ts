import { Transform, type TransformCallback } from 'node:stream'

/** An interleaved packet begins with this and has a header of four bytes. RFC 2326 §10.12. */
const INTERLEAVED = 0x24
const INTERLEAVED_HEADER = 4
const LINE_FEED = 0x0a
const MAX_HEAD_BYTES = 16 * 1024
/** FFmpeg cuts longer lines. libavformat/rtsp.c, ff_rtsp_read_reply. */
const MAX_LINE = 4_000

/**
 * What a camera sends over RTSP, for FFmpeg: redirects are replaced by `redirect`, which throws for a forbidden one, and
 * RTP goes to `address` alone. Lines are read as FFmpeg reads them, and written again, so that both see the same message.
 */
export class RtspResponses extends Transform {
  readonly #address: string
  readonly #redirect: (location: string) => string
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of a packet or body that pass as they are. */
  #passing = 0

  constructor(address: string, redirect: (location: string) => string) {
    super()
    this.#address = address
    this.#redirect = redirect
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    try {
      this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
      while (this.#rest.length > 0 && this.#step());
      done()
    } catch (err) {
      done(err as Error)
    }
  }

  /** False when more bytes are needed. */
  #step(): boolean {
    if (this.#passing > 0) {
      const part = this.#take(Math.min(this.#passing, this.#rest.length))
      this.#passing -= part.length
      this.push(part)
      return true
    }
    if (this.#rest[0] === INTERLEAVED) {
      if (this.#rest.length < INTERLEAVED_HEADER) return false
      this.#passing = INTERLEAVED_HEADER + this.#rest.readUInt16BE(2)
      return true
    }
    const lines = this.#head()
    if (!lines) return false
    this.push(`${this.#rewrite(lines).join('\r\n')}\r\n\r\n`)
    return true
  }

  /** The lines of a message, without the empty one; undefined when it is not complete. */
  #head(): string[] | undefined {
    const lines: string[] = []
    let at = 0
    for (let end = this.#rest.indexOf(LINE_FEED); end >= 0; end = this.#rest.indexOf(LINE_FEED, at)) {
      const line = lineOf(this.#rest.subarray(at, end))
      at = end + 1
      if (at > MAX_HEAD_BYTES) break
      if (line !== '') lines.push(line)
      else if (lines.length > 0) {
        this.#take(at)
        return lines
      }
    }
    if (this.#rest.length > MAX_HEAD_BYTES) throw new Error('malformed: too long')
    return undefined
  }

  #rewrite([first = '', ...headers]: string[]): string[] {
    const status = /^RTSP\/\d\.\d (\d{3})(?: |$)/.exec(first)?.[1]
    if (status === undefined && /^\s*RTSP/i.test(first)) throw new Error('malformed status')
    const isRedirect = status?.startsWith('3')
    let length = 0
    const kept = headers.flatMap((line) => {
      const [, name = '', value = ''] = /^\s*([^:]*?)\s*:\s*(.*)$/.exec(line) ?? []
      switch (name.toLowerCase()) {
        case 'content-length':
          if (!/^\d{1,6}\s*$/.test(value)) throw new Error('malformed length')
          length = Number(value)
          return []
        case 'location':
          return isRedirect ? `Location: ${this.#redirect(value.trim())}` : []
        case 'transport':
          return `Transport: ${this.#transport(value)}`
        default:
          return line
      }
    })
    if (isRedirect && !kept.some((line) => line.startsWith('Location: '))) throw new Error('no location')
    this.#passing = length
    return [first, ...kept, ...(length > 0 ? [`Content-Length: ${length}`] : [])]
  }

  /** RFC 2326 §12.39. FFmpeg sends to `source`, or else to the address of the gateway. */
  #transport(value: string): string {
    const parts = value.split(';').filter((part) => !/^\s*(source|destination)\s*=/i.test(part))
    return value.includes(',') ? '' : [...parts, `source=${this.#address}`].join(';')
  }

  #take(bytes: number): Buffer {
    const part = this.#rest.subarray(0, bytes)
    this.#rest = this.#rest.subarray(bytes)
    return part
  }
}

/** Throws for one that FFmpeg would read in another way: it takes `$` for a packet. */
function lineOf(bytes: Buffer): string {
  const line = bytes.toString('latin1').replaceAll('\r', '')
  if (line.startsWith('$') || line.length > MAX_LINE || line.includes('\0')) throw new Error('malformed line')
  return line
}
