/** Recordings that robots upload for their apps, as the relay in the cloud takes them: `/api/media/upload`. */
import { randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream, rmSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { type OriginRule, OWN_SITE_HEADERS, rejectedOrigin } from '#lib/http/request-origin.ts'
import { isLoopback, plainAddress } from '#lib/loopback.ts'
import { createFolder } from '#lib/process/disk.ts'
import type { Access } from '../access/access.ts'
import type { Hub } from '../hub.ts'
import { sendAnswer } from '../page-server.ts'
import { FormError, readForm } from './form-reader.ts'

const UPLOAD_PATH = '/api/media/upload'
const FILE_PATH = /^\/api\/media\/([0-9a-f-]{36})\.mp4$/
const FORM = /^multipart\/form-data;.*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i
const RANGE = /^bytes=(\d+)-(\d*)$/
const MAX_FILE_BYTES = 100 * 1_000_000
/** The oldest is deleted for a new one. */
const MAX_FILES = 8
const MAX_UPLOADS = 2
const KEPT_MS = 3_600_000

interface MediaOptions extends OriginRule {
  hub: Hub
  access: Access
  isRobot(request: IncomingMessage): boolean
  /** Emptied at the start. */
  folder: string
}

interface StoredFile {
  path: string
  bytes: number
  timer: NodeJS.Timeout
}

export class MediaEndpoint implements Disposable {
  readonly #options: MediaOptions
  readonly #files = new Map<string, StoredFile>()
  #uploads = 0

  constructor(options: MediaOptions) {
    this.#options = options
    rmSync(options.folder, { recursive: true, force: true })
  }

  /** False when the path is another one's. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    const url = URL.parse(request.url ?? '/', 'http://relay')
    const [, id] = FILE_PATH.exec(url?.pathname ?? '') ?? []
    if (url?.pathname === UPLOAD_PATH) {
      this.#upload(request, response).catch((err: unknown) => {
        this.#options.hub.options.log.warn({ err }, 'upload of a recording failed')
        response.destroy()
      })
      return true
    }
    if (id === undefined || !url) return false
    this.#download(request, response, { id, query: url.searchParams })
    return true
  }

  [Symbol.dispose](): void {
    for (const id of this.#files.keys()) this.#forget(id)
  }

  async #upload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const answer = await this.#receive(request)
      sendAnswer(response, { type: 'application/json', body: JSON.stringify(answer) })
    } catch (err) {
      if (!(err instanceof FormError)) throw err
      const body = JSON.stringify({ error: err.message })
      // the rest of a body that is not read
      const headers = { Connection: 'close' }
      sendAnswer(response, { status: err.status, type: 'application/json', body, headers })
    }
  }

  /** Throws a {@link FormError}. */
  async #receive(request: IncomingMessage) {
    if (request.method !== 'POST') throw new FormError('use POST', 405)
    if (!this.#isAllowed(request)) throw new FormError('only robots upload here', 401)
    const [, quoted, plain] = FORM.exec(request.headers['content-type'] ?? '') ?? []
    const boundary = quoted ?? plain
    if (boundary === undefined) throw new FormError('expected multipart/form-data', 415)
    if (this.#uploads >= MAX_UPLOADS) throw new FormError('too many uploads at once', 429)
    this.#uploads++
    try {
      return await this.#save(request, boundary)
    } finally {
      this.#uploads--
    }
  }

  async #save(request: IncomingMessage, boundary: string) {
    const { hub, folder } = this.#options
    const id = randomUUID()
    const path = join(folder, `${id}.mp4`)
    let filename = ''
    const openFile = (name: string) => {
      filename = name
      createFolder(folder)
      return createWriteStream(path, { flags: 'wx', mode: 0o600 })
    }
    try {
      const fields = await readForm(request, { boundary, maxBytes: MAX_FILE_BYTES, openFile })
      const deviceId = fields.get('device_id') ?? ''
      if (!hub.robots.has(deviceId)) throw new FormError('no robot of this device_id is connected', 404)
      const { size } = await stat(path)
      this.#store(id, path, size)
      return { download_url: `/api/media/${id}.mp4`, filename, size }
    } catch (err) {
      await rm(path, { force: true })
      throw err
    }
  }

  /** A robot on this machine, or one that sends its identity, or the token. */
  #isAllowed(request: IncomingMessage): boolean {
    const { access, isRobot } = this.#options
    if (rejectedOrigin(request, this.#options)) return false
    const isHere = isLoopback(plainAddress(request.socket.remoteAddress))
    return isHere || isRobot(request) || access.roleOf(request, new URLSearchParams()) === 'drive'
  }

  #store(id: string, path: string, bytes: number): void {
    const [oldest] = this.#files.keys()
    if (this.#files.size >= MAX_FILES && oldest !== undefined) this.#forget(oldest)
    const timer = setTimeout(() => this.#forget(id), KEPT_MS)
    timer.unref()
    this.#files.set(id, { path, bytes, timer })
  }

  #forget(id: string): void {
    const file = this.#files.get(id)
    if (!file) return
    this.#files.delete(id)
    clearTimeout(file.timer)
    rmSync(file.path, { force: true })
  }

  #download(
    request: IncomingMessage,
    response: ServerResponse,
    { id, query }: { id: string; query: URLSearchParams },
  ): void {
    const file = this.#files.get(id)
    const range = file && rangeOf(request, file.bytes)
    const refused = this.#refusal(request, query, { file, range })
    if (refused) sendAnswer(response, { type: 'text/plain', ...refused })
    else if (file && range) send(request, response, { ...file, ...range })
  }

  #refusal(request: IncomingMessage, query: URLSearchParams, found: { file: unknown; range: unknown }) {
    if (rejectedOrigin(request, this.#options) || !this.#options.access.roleOf(request, query)) {
      return { status: 403, body: 'log in on the page of the relay, or send the token\n' }
    }
    if (!found.file) return { status: 404, body: 'no such recording, or it is older than an hour\n' }
    if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405, body: 'use GET\n' }
    return found.range ? undefined : { status: 416, body: 'no such range\n' }
  }
}

interface Range {
  start: number
  end: number
  isPartial: boolean
}

/** Undefined when there is no such range. RFC 9110 §14.1.2, one range that has a start. */
function rangeOf(request: IncomingMessage, bytes: number): Range | undefined {
  const [, first, last] = RANGE.exec(request.headers.range ?? '') ?? []
  const start = Number(first ?? 0)
  const end = Math.min(bytes - 1, last ? Number(last) : bytes - 1)
  return start <= end ? { start, end, isPartial: first !== undefined } : undefined
}

function send(
  { method }: IncomingMessage,
  response: ServerResponse,
  { path, bytes, start, end, isPartial }: StoredFile & Range,
): void {
  response.writeHead(isPartial ? 206 : 200, {
    ...OWN_SITE_HEADERS,
    'Cache-Control': 'private, no-store',
    'Content-Type': 'video/mp4',
    'Content-Length': end - start + 1,
    'Accept-Ranges': 'bytes',
    ...(isPartial ? { 'Content-Range': `bytes ${start}-${end}/${bytes}` } : {}),
  })
  // a client that disconnects needs no answer
  if (method === 'HEAD') response.end()
  else pipeline(createReadStream(path, { start, end }), response, () => {})
}
