import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { request as requestHttp } from '#lib/http/node-http.ts'

const PIECE_BYTES = 64 * 1024

export interface FilePost {
  path: string
  filename: string
  /** Of the file, as in Content-Type. */
  type: string
  fields: Record<string, string>
  signal: AbortSignal
  /** Of the answer; what follows is not read. */
  maxChars: number
}

/**
 * Posts a file and fields as `multipart/form-data` (RFC 7578), read in pieces while it is sent, and resolves with the answer, which may
 * come before the end of the file. Follows no redirect. Rejects when the file cannot be read or changes, or the connection fails.
 * `fetch` with a Blob of the file has rejections that nothing can handle where the server answers early, and keeps the file open.
 */
export async function postFile(url: URL, post: FilePost): Promise<{ status: number; text: string }> {
  await using file = await open(post.path)
  const { size } = await file.stat()
  const boundary = `wimz-${randomUUID()}`
  const [head, tail] = around(post, boundary)
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    method: 'POST',
    signal: post.signal,
    agent: false,
    headers: {
      'Content-Type': `multipart/form-data; boundary=${boundary}`,
      'Content-Length': head.length + size + tail.length,
    },
  })
  const answered = once(request, 'response')
  // an error of the file ends the request, and one of the request rejects `answered`
  const sent = pipeline(bodyOf(file, size, head, tail), request).catch(() => {})
  try {
    const [response] = (await answered) as [IncomingMessage]
    return { status: response.statusCode ?? 0, text: await textOf(response, post.maxChars) }
  } finally {
    request.on('error', () => {}) // of a body that is not wanted any more
    request.destroy()
    await sent
  }
}

function around({ fields, filename, type }: FilePost, boundary: string): [head: Buffer, tail: Buffer] {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\n${disposition(name)}\r\n\r\n${value}\r\n`,
  )
  const file = `--${boundary}\r\n${disposition('file')}; filename="${escaped(filename)}"\r\nContent-Type: ${type}\r\n\r\n`
  return [Buffer.from(parts.join('') + file), Buffer.from(`\r\n--${boundary}--\r\n`)]
}

const disposition = (name: string) => `Content-Disposition: form-data; name="${escaped(name)}"`

/** HTML, "multipart/form-data encoding algorithm". */
const escaped = (text: string) => text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22')

async function* bodyOf(file: FileHandle, size: number, head: Buffer, tail: Buffer): AsyncGenerator<Buffer> {
  yield head
  for (let at = 0; at < size; ) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, size - at))
    const { bytesRead } = await file.read(piece, 0, piece.length, at)
    if (bytesRead === 0) throw new Error('the file has become shorter')
    at += bytesRead
    yield piece.subarray(0, bytesRead)
  }
  yield tail
}

async function textOf(response: IncomingMessage, maxChars: number): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  for await (const piece of response) {
    text += piece
    if (text.length >= maxChars) break
  }
  return text.slice(0, maxChars)
}
