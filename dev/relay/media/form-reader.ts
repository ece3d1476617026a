import type { Readable, Writable } from 'node:stream'

/** Lines of a part before its content. */
const MAX_HEAD_BYTES = 4_096
const MAX_FIELD_BYTES = 1_024
const MAX_PARTS = 16
const END_OF_HEAD = Buffer.from('\r\n\r\n')

interface FormOptions {
  boundary: string
  /** Largest file. */
  maxBytes: number
  /** Where the file goes; called once. */
  openFile(filename: string): Writable
}

/** A form that is not accepted; `status` of HTTP. */
export class FormError extends Error {
  override name = 'FormError'
  readonly status: number

  constructor(message: string, status = 400) {
    super(message)
    this.status = status
  }
}

/**
 * Reads a form of one file and some fields as it arrives, with no more than a chunk of it in memory: RFC 7578. Resolves with the
 * fields when the file is written. Throws a {@link FormError}, or the error of the body or the file; the file is closed then.
 */
export async function readForm(body: Readable, options: FormOptions): Promise<Map<string, string>> {
  const reader = new FormReader(options)
  try {
    for await (const chunk of body) await reader.add(chunk as Buffer)
    return await reader.end()
  } catch (err) {
    await reader.abort()
    throw err
  }
}

interface Part {
  name: string
  write(content: Buffer): Promise<void>
}

class FormReader {
  readonly #options: FormOptions
  readonly #delimiter: Buffer
  readonly #fields = new Map<string, string>()
  // the first delimiter has no line break before it
  #waiting: Buffer = Buffer.from('\r\n')
  #part: Part | undefined
  #file: Writable | undefined
  #fileBytes = 0
  #parts = 0
  #ended = false

  constructor(options: FormOptions) {
    this.#options = options
    this.#delimiter = Buffer.from(`\r\n--${options.boundary}`)
  }

  async add(chunk: Buffer): Promise<void> {
    if (this.#ended) return
    this.#waiting = Buffer.concat([this.#waiting, chunk])
    while (await this.#step());
  }

  async end(): Promise<Map<string, string>> {
    if (!this.#ended || !this.#file) throw new FormError('not a whole form with a file')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#file.on('error', reject)
    this.#file.end(resolve)
    await promise
    return this.#fields
  }

  /** Resolves when the file is closed. */
  async abort(): Promise<void> {
    const file = this.#file
    if (!file || file.closed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    file.once('close', resolve)
    file.destroy()
    await promise
  }

  /** False when more is needed. */
  async #step(): Promise<boolean> {
    const at = this.#waiting.indexOf(this.#delimiter)
    if (at < 0) {
      // its end may be the begin of a delimiter
      const safe = this.#waiting.length - this.#delimiter.length + 1
      if (safe > 0) {
        await this.#content(this.#waiting.subarray(0, safe))
        this.#waiting = this.#waiting.subarray(safe)
      }
      return false
    }
    const start = at + this.#delimiter.length
    if (this.#waiting.length < start + 2) return false
    if (this.#waiting.toString('latin1', start, start + 2) === '--') {
      await this.#content(this.#waiting.subarray(0, at))
      this.#ended = true
      return false
    }
    const end = this.#waiting.indexOf(END_OF_HEAD, start)
    if (end - start > MAX_HEAD_BYTES || (end < 0 && this.#waiting.length - start > MAX_HEAD_BYTES)) {
      throw new FormError('the head of a part is too long')
    }
    if (end < 0) return false
    await this.#content(this.#waiting.subarray(0, at))
    this.#begin(this.#waiting.toString('utf8', start, end))
    this.#waiting = this.#waiting.subarray(end + END_OF_HEAD.length)
    return true
  }

  #begin(head: string): void {
    if (++this.#parts > MAX_PARTS) throw new FormError('too many parts')
    const [, name = ''] = /[; ]name="([^"]*)"/.exec(head) ?? []
    const [, filename] = /filename="([^"]*)"/.exec(head) ?? []
    this.#part = filename === undefined ? this.#field(name) : this.#openFile(name, filename)
  }

  #field(name: string): Part {
    return {
      name,
      write: (content) => {
        const value = (this.#fields.get(name) ?? '') + content.toString('utf8')
        if (value.length > MAX_FIELD_BYTES) throw new FormError(`the field ${name} is too long`)
        this.#fields.set(name, value)
        return Promise.resolve()
      },
    }
  }

  #openFile(name: string, filename: string): Part {
    if (this.#file) throw new FormError('more than one file')
    const file = this.#options.openFile(filename)
    // of a write: its callback has it too
    file.on('error', () => {})
    this.#file = file
    return {
      name,
      write: async (content) => {
        this.#fileBytes += content.length
        if (this.#fileBytes > this.#options.maxBytes) throw new FormError('the file is too large', 413)
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        file.write(content, (err) => (err ? reject(err) : resolve()))
        await promise
      },
    }
  }

  async #content(content: Buffer): Promise<void> {
    if (content.length > 0) await this.#part?.write(content)
  }
}
