import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import type { Logger } from '#lib/logger.ts'
import type { ClipStore } from '../clip.ts'
import { BusyError, type ClipPictures, PICTURES_PER_CLIP } from './clip-pictures.ts'
import type { ClipRemover } from './clip-remover.ts'
import { ClipSender } from './clip-sender.ts'
import type { History } from './history.ts'
import { ITEM_TYPES, type ItemQuery, isCursor } from './items.ts'
import type { TrackPictures } from './track-pictures.ts'

export interface RouteDeps {
  history: History
  clips: ClipStore
  pictures: ClipPictures
  trackPictures: TrackPictures
  remover: ClipRemover
  log: Logger
}

const MAX_BODY_BYTES = 4_096
const DEFAULT_LIMIT = 200
const MAX_LIMIT = 1_000

const time = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const name = z.string().min(1).max(300)
const ListQuery = z
  .strictObject({
    types: z
      .string()
      .transform((text) => text.split(','))
      .pipe(z.array(z.enum(ITEM_TYPES)).max(ITEM_TYPES.length)),
    from: time,
    to: time,
    label: name,
    zone: name,
    reason: name,
    favorite: z.enum(['true', 'false']).transform((text) => text === 'true'),
    cursor: z.string().refine(isCursor, 'not a cursor of the history'),
    limit: z.coerce.number().int().min(1).max(MAX_LIMIT),
  })
  .partial()

/** What a client changes of a clip. */
const ClipChange = z.union([
  z.strictObject({ favorite: z.boolean() }),
  z.strictObject({ deleted: z.boolean() }),
])

/**
 * Answers the requests below `/history/` (docs/recording.md). Who may ask is decided before: this serves a socket that only
 * processes of this user can reach.
 */
export class Routes implements Disposable {
  readonly #deps: RouteDeps
  readonly #sender: ClipSender

  constructor(deps: RouteDeps) {
    this.#deps = deps
    this.#sender = new ClipSender(deps.clips)
  }

  /** Never throws. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#route(request, response)
    } catch (err) {
      if (response.headersSent) return void response.destroy()
      const { status, message } = problemOf(err)
      if (status === 500)
        this.#deps.log.warn({ err, path: request.url?.slice(0, 100) }, 'history request failed')
      sendJson(response, { error: message }, status)
    }
  }

  [Symbol.dispose](): void {
    this.#sender[Symbol.dispose]()
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '/', 'http://recorder')
    const [, part = '', id = '', suffix = ''] =
      /^\/history\/([a-z]+)(?:\/([\w.:-]{1,200}?)(\.mp4|\.jpg)?)?$/.exec(url?.pathname ?? '') ?? []
    const query = url?.searchParams ?? new URLSearchParams()
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    const route = `${isRead ? 'GET' : request.method} ${part}${id === '' ? '' : `/*${suffix}`}`
    switch (route) {
      case 'GET items':
        return sendJson(response, await this.#items(query))
      case 'GET filters':
        return sendJson(response, await this.#deps.history.filterValues())
      case 'GET clips/*.mp4':
        return await this.#sender.send(this.#clip(id), request, response, query.has('download'))
      case 'GET clips/*.jpg':
        return await this.#clipPicture(id, query, request, response)
      case 'GET tracks/*.jpg':
        return await this.#trackPicture(id, request, response)
      case 'POST clips/*':
        return sendJson(response, await this.#changeClip(id, await readJson(request)))
      default:
        throw new RequestError(404, 'there is no such part of the history')
    }
  }

  async #items(query: URLSearchParams) {
    const parsed = ListQuery.safeParse(Object.fromEntries(query))
    if (!parsed.success) throw new RequestError(400, z.prettifyError(parsed.error))
    const { limit = DEFAULT_LIMIT, ...filters } = parsed.data
    const wanted = { ...filters, limit } as ItemQuery
    await this.#deps.history.flush()
    const page = await this.#deps.history.list(wanted)
    return wanted.cursor === undefined ? { ...page, total: await this.#deps.history.count(wanted) } : page
  }

  #clip(id: string) {
    const clip = this.#deps.clips.get(id)
    if (!clip) throw new RequestError(404, 'there is no such clip')
    return clip
  }

  async #clipPicture(
    id: string,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const index = Number(query.get('n') ?? 0)
    if (!Number.isInteger(index) || index < 0 || index >= PICTURES_PER_CLIP)
      throw new RequestError(400, `n must be 0 to ${PICTURES_PER_CLIP - 1}`)
    const picture = await this.#deps.pictures.get(this.#clip(id), index, () => !response.destroyed)
    sendPicture(picture, request, response)
  }

  async #trackPicture(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const picture = await this.#deps.trackPictures.read(id)
    if (!picture) throw new RequestError(404, 'there is no picture of this track')
    sendPicture(picture, request, response)
  }

  async #changeClip(id: string, body: unknown): Promise<{ ok: true }> {
    const change = ClipChange.safeParse(body)
    if (!change.success) throw new RequestError(400, 'expected {"favorite": …} or {"deleted": …}')
    const clip = this.#clip(id)
    if (!clip.complete) throw new RequestError(409, 'this clip is being recorded')
    if ('favorite' in change.data) {
      await this.#deps.clips.change({ ...clip, favorite: change.data.favorite })
      return { ok: true }
    }
    if (change.data.deleted) await this.#deps.remover.hide(id)
    else await this.#deps.remover.restore(id)
    return { ok: true }
  }
}

class RequestError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

function problemOf(err: unknown): { status: number; message: string } {
  if (err instanceof RequestError) return { status: err.status, message: err.message }
  if (err instanceof BusyError) return { status: 503, message: err.message }
  if ((err as NodeJS.ErrnoException).code === 'ENOENT') return { status: 404, message: 'the file is gone' }
  return { status: 500, message: 'the history cannot answer: see the log of the recorder' }
}

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  const body = JSON.stringify(value)
  const length = Buffer.byteLength(body)
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': length,
    'Cache-Control': 'no-store',
  })
  response.end(body)
}

function sendPicture(bytes: Buffer, request: IncomingMessage, response: ServerResponse): void {
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 16)}"`
  const headers = { ETag: etag, 'Cache-Control': 'private, no-cache' }
  if (request.headers['if-none-match'] === etag) return void response.writeHead(304, headers).end()
  response.writeHead(200, { ...headers, 'Content-Type': 'image/jpeg', 'Content-Length': bytes.length })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new RequestError(413, 'the request is too large')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw new RequestError(400, 'the request is not JSON')
  }
}
