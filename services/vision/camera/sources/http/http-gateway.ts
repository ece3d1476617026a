import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from '#lib/http/node-http.ts'
import type { UnframedBytes } from '#lib/media/unframed-bytes.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { type HttpClient, headOf } from './http-client.ts'

/** Largest playlist; more is not a playlist. */
const MAX_PLAYLIST_BYTES = 1024 * 1024
const PASSED = ['content-type', 'content-length', 'content-range', 'accept-ranges'] as const

/** Lines as FFmpeg reads them: a carriage return or a NUL ends one too. libavformat/aviobuf.c, ff_get_line. */
const LINE_END = /\r\n|[\r\n\0]/
/** An address in the attributes of a tag; FFmpeg takes it without quotes too. */
const URI_ATTRIBUTE = /URI=(?:"([^"]*)"|([^",\s]*))/g

/**
 * Serves one camera to FFmpeg on a loopback port, and its playlists with their addresses replaced by those of the
 * gateway. It is FFmpeg's HTTP proxy as well, and refuses what it has not named itself: FFmpeg contacts no other machine,
 * whatever a playlist or a redirect says.
 */
export class HttpGateway implements AsyncDisposable {
  readonly #client: HttpClient
  /** Part of each path: other processes of this machine cannot use the gateway. */
  readonly #token = randomBytes(16).toString('hex')
  readonly #server: Server
  readonly #unframed: UnframedBytes
  #port = 0
  /** An open response that answers the first request of its address. */
  #opened: { response: IncomingMessage; url: URL } | undefined

  static async start(
    client: HttpClient,
    opened: { response: IncomingMessage; url: URL },
    unframed: UnframedBytes,
  ): Promise<HttpGateway> {
    const gateway = new HttpGateway(client, opened, unframed)
    await once(gateway.#server.listen(0, '127.0.0.1'), 'listening')
    gateway.#port = (gateway.#server.address() as AddressInfo).port
    return gateway
  }

  private constructor(
    client: HttpClient,
    opened: { response: IncomingMessage; url: URL },
    unframed: UnframedBytes,
  ) {
    this.#client = client
    this.#unframed = unframed
    this.#opened = opened
    this.#server = createServer((incoming, outgoing) => {
      this.#answer(incoming, outgoing).catch(() => {
        if (outgoing.headersSent) outgoing.destroy()
        else outgoing.writeHead(502).end()
      })
    })
  }

  /** The proxy through which FFmpeg must send every request. */
  get proxy(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The address under which FFmpeg reads `url`. The path stays: FFmpeg knows segments by their names. */
  address({ protocol, host, pathname, search }: URL): string {
    return `${this.proxy}/${this.#token}/${protocol.slice(0, -1)}/${host}${pathname}${search}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#opened?.response.destroy()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const target = this.#targetOf(incoming.url ?? '')
    if (!target) {
      outgoing.writeHead(404).end()
      return
    }
    const { range } = incoming.headers
    const { response, url } = this.#takeOpened(target, range) ?? (await this.#fetch(target, range))
    outgoing.on('close', () => response.destroy())
    if (await isPlaylist(response, url)) {
      const playlist = this.#rewrite(await readText(response), url)
      outgoing.writeHead(200, { 'content-type': 'application/vnd.apple.mpegurl' }).end(playlist)
      return
    }
    const headers = Object.fromEntries(PASSED.map((name) => [name, response.headers[name]]))
    for (const name of PASSED) if (headers[name] === undefined) delete headers[name]
    outgoing.writeHead(response.statusCode ?? 502, headers)
    response.on('data', (chunk: Buffer) => this.#unframed.arrived(chunk.length))
    response.pipe(outgoing)
    response.on('error', () => outgoing.destroy())
  }

  /** The address of the camera for the target of a request, which a proxy gets with the origin. RFC 9112 §3.2.2. */
  #targetOf(target: string): URL | undefined {
    const path = target.startsWith(`${this.proxy}/`) ? target.slice(this.proxy.length) : target
    const [, token, protocol, host, rest = ''] = /^\/([^/]*)\/(https?)\/([^/]+)(.*)$/.exec(path) ?? []
    return token === this.#token ? new URL(`${protocol}://${host}${rest}`) : undefined
  }

  #takeOpened(target: URL, range: string | undefined) {
    const opened = this.#opened
    if (!opened || opened.url.href !== target.href || (range ?? 'bytes=0-') !== 'bytes=0-') return undefined
    this.#opened = undefined
    return opened
  }

  async #fetch(target: URL, range: string | undefined) {
    return await this.#client.get(target, range === undefined ? {} : { range })
  }

  #rewrite(playlist: string, base: URL): string {
    const replaced = (uri: string) => {
      const url = new URL(uri, base)
      this.#client.check(url)
      return this.address(url)
    }
    return playlist
      .split(LINE_END)
      .map((line) => {
        if (line.startsWith('#')) {
          return line.replace(URI_ATTRIBUTE, (_, quoted, plain) => `URI="${replaced(quoted ?? plain)}"`)
        }
        return line.trim() === '' ? line : replaced(line.trim())
      })
      .join('\n')
  }
}

/** Is it a playlist, by its type, name or content? FFmpeg goes by the content. */
export async function isPlaylist(response: IncomingMessage, { pathname }: URL): Promise<boolean> {
  const isNamed = /mpegurl/i.test(response.headers['content-type'] ?? '') || /\.m3u8?$/i.test(pathname)
  return isNamed || (await headOf(response)).subarray(0, 7).toString('latin1') === '#EXTM3U'
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    if (bytes > MAX_PLAYLIST_BYTES) throw new UnavailableError('cannot open: the playlist is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
