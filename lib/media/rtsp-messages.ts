import { Transform, type TransformCallback } from 'node:stream'

/** An interleaved packet begins with this and has a header of four bytes. RFC 2326 §10.12. */
const INTERLEAVED = 0x24
const INTERLEAVED_HEADER = 4
const LINE_FEED = 0x0a
const MAX_HEAD_BYTES = 16 * 1024
/** FFmpeg cuts longer lines. libavformat/rtsp.c, ff_rtsp_read_reply. */
const MAX_LINE = 4_000

/** A header of a message; `name` is in lower case, and empty where the line is none. */
export interface Header {
  name: string
  value: string
  line: string
}

/**
 * One direction of an RTSP connection. Lines are read as FFmpeg reads them, and written again, so that both ends see the
 * same message; bodies and interleaved packets pass as they are.
 */
export abstract class RtspMessages extends Transform {
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of a packet or body that pass as they are. */
  #passing = 0

  /** The lines of a message as it goes on, its headers without Content-Length. Throws for one that must not pass. */
  protected abstract rewrite(first: string, headers: readonly Header[]): string[] | Promise<string[]>

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    this.#run().then(() => done(), done)
  }

  async #run(): Promise<void> {
    while (this.#rest.length > 0) {
      if (this.#pass()) continue
      if (this.#passing > 0 || this.#rest[0] === INTERLEAVED) return
      const lines = this.#head()
      if (!lines) return
      this.push(`${(await this.#rewritten(lines)).join('\r\n')}\r\n\r\n`)
    }
  }

  /** Passes a part of a body or of an interleaved packet; false where there is none. */
  #pass(): boolean {
    if (this.#passing === 0 && this.#rest[0] === INTERLEAVED && this.#rest.length >= INTERLEAVED_HEADER) {
      this.#passing = INTERLEAVED_HEADER + this.#rest.readUInt16BE(2)
    }
    if (this.#passing === 0) return false
    const part = this.#take(Math.min(this.#passing, this.#rest.length))
    this.#passing -= part.length
    this.push(part)
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

  async #rewritten([first = '', ...lines]: string[]): Promise<string[]> {
    const headers = lines.map(headerOf)
    let length = 0
    for (const { name, value } of headers) {
      if (name !== 'content-length') continue
      if (!/^\d{1,6}\s*$/.test(value)) throw new Error('malformed length')
      length = Number(value)
    }
    const others = headers.filter(({ name }) => name !== 'content-length')
    const written = await this.rewrite(first, others)
    this.#passing = length
    return length > 0 ? [...written, `Content-Length: ${length}`] : written
  }

  #take(bytes: number): Buffer {
    const part = this.#rest.subarray(0, bytes)
    this.#rest = this.#rest.subarray(bytes)
    return part
  }
}

function headerOf(line: string): Header {
  const [, name = '', value = ''] = /^\s*([^:]*?)\s*:\s*(.*)$/.exec(line) ?? []
  return { name: name.toLowerCase(), value, line }
}

/** Throws for one that FFmpeg would read in another way: it takes `$` for a packet. */
function lineOf(bytes: Buffer): string {
  const line = bytes.toString('latin1').replaceAll('\r', '')
  if (line.startsWith('$') || line.length > MAX_LINE || line.includes('\0')) throw new Error('malformed line')
  return line
}
