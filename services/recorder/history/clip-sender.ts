import { open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Clip, ClipStore } from '../clip.ts'
import { byteRange } from './byte-range.ts'

/** A player requests one range after the other, with pauses: the clip stays for this long after the last one. */
const WATCH_MS = 60_000
/** Clips that are kept from deletion because they are being watched. */
const MAX_WATCHED = 64

/** Sends clips, whole or in ranges. A clip that is being watched is not deleted. */
export class ClipSender implements Disposable {
  readonly #store: ClipStore
  readonly #watchMs: number
  readonly #watched = new Map<string, { watch: Disposable; timer: NodeJS.Timeout }>()

  constructor(store: ClipStore, watchMs = WATCH_MS) {
    this.#store = store
    this.#watchMs = watchMs
  }

  /** Answers a GET or HEAD. `download`: as an attachment named after its time. */
  async send(
    clip: Clip,
    request: IncomingMessage,
    response: ServerResponse,
    download: boolean,
  ): Promise<void> {
    using _watch = this.#store.watch(clip.id)
    this.#watch(clip.id)
    await using file = await open(join(this.#store.folder, clip.file), 'r')
    const { size, mtimeMs } = await file.stat()
    const etag = `"${size.toString(36)}-${Math.round(mtimeMs).toString(36)}"`
    response.setHeader('Content-Type', 'video/mp4')
    response.setHeader('Accept-Ranges', 'bytes')
    response.setHeader('ETag', etag)
    response.setHeader('Cache-Control', 'private, no-cache')
    if (download) response.setHeader('Content-Disposition', `attachment; filename="${downloadName(clip)}"`)
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end()
    const { 'if-range': ifRange, range } = request.headers
    const wanted = ifRange === undefined || ifRange === etag ? byteRange(range, size) : 'all'
    if (wanted === 'invalid') {
      response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end()
      return
    }
    const { start, end } = wanted === 'all' ? { start: 0, end: size - 1 } : wanted
    if (wanted === 'all') response.writeHead(200, { 'Content-Length': size })
    else
      response.writeHead(206, {
        'Content-Length': end - start + 1,
        'Content-Range': `bytes ${start}-${end}/${size}`,
      })
    if (request.method === 'HEAD' || size === 0) return void response.end()
    // a file that still grows sends no more than its answer says
    await pipeline(file.createReadStream({ start, end, autoClose: false }), response).catch(() => {})
    this.#watch(clip.id)
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#watched.keys()]) this.#release(id)
  }

  #watch(id: string): void {
    const known = this.#watched.get(id)
    if (known) {
      known.timer.refresh()
      return
    }
    const [oldest] = this.#watched.keys()
    if (this.#watched.size >= MAX_WATCHED && oldest !== undefined) this.#release(oldest)
    const timer = setTimeout(() => this.#release(id), this.#watchMs)
    timer.unref()
    this.#watched.set(id, { watch: this.#store.watch(id), timer })
  }

  #release(id: string): void {
    const known = this.#watched.get(id)
    clearTimeout(known?.timer)
    this.#watched.delete(id)
    known?.watch[Symbol.dispose]()
  }
}

/** `wimz-2026-05-04-17-30-05.mp4`, in the local time of the robot. */
function downloadName({ startedAt }: Clip): string {
  const date = new Date(startedAt)
  const two = (n: number) => String(n).padStart(2, '0')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())]
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two)
  return `wimz-${[...day, ...time].join('-')}.mp4`
}
