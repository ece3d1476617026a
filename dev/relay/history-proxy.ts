import type { IncomingMessage, ServerResponse } from 'node:http'
import { request as httpRequest } from '#lib/http/node-http.ts'
import { type OriginRule, OWN_SITE_HEADERS, rejectedOrigin } from '#lib/http/request-origin.ts'
import { historySocketPath, socketAddress } from '#lib/http/unix-socket.ts'
import type { Access } from './access/access.ts'

/** What the recorder gets of a request: neither token nor cookie. */
const REQUEST_HEADERS = ['range', 'if-range', 'if-none-match'] as const
const BODY_HEADERS = ['content-type', 'content-length'] as const
/** What a client gets of the answer. */
const RESPONSE_HEADERS = [
  ...['content-type', 'content-length', 'content-range', 'content-disposition', 'accept-ranges'],
  ...['etag', 'cache-control'],
]
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD'])
const NOT_RUNNING = 'The recorder is not running: set recorder.enabled.'

interface ProxyOptions extends OriginRule {
  access: Access
  dataDir: string
}

/**
 * Passes requests below `/history/` to the recorder, for clients that are logged in; those that may only watch change nothing
 * there. Clips and pictures stream through: none is in memory as a whole.
 */
export class HistoryProxy {
  readonly #options: ProxyOptions

  constructor(options: ProxyOptions) {
    this.#options = options
  }

  /** Answers the request; returns false when it is for another part of the relay. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    const url = URL.parse(request.url ?? '/', 'http://relay')
    if (!url?.pathname.startsWith('/history/')) return false
    const { access } = this.#options
    const role = rejectedOrigin(request, this.#options) ? undefined : access.roleOf(request, url.searchParams)
    const isRead = READS.has(request.method ?? '')
    if (!role) refuse(response, 403, 'Log in on the page of the robot.')
    else if (!isRead && request.method !== 'POST') refuse(response, 405, 'GET, HEAD or POST')
    else if (!isRead && role !== 'drive') refuse(response, 403, 'This login is for watching only.')
    else {
      url.searchParams.delete('token')
      response.setHeader('X-Wimz-Role', role)
      this.#pass(`${url.pathname}${url.search}`, request, response)
    }
    return true
  }

  #pass(path: string, request: IncomingMessage, response: ServerResponse): void {
    using stack = new DisposableStack()
    try {
      const address = stack.use(socketAddress(historySocketPath(this.#options.dataDir)))
      const hasBody = !READS.has(request.method ?? '')
      const headers = pick(request.headers, hasBody ? [...REQUEST_HEADERS, ...BODY_HEADERS] : REQUEST_HEADERS)
      const upstream = httpRequest({
        ...{ socketPath: address.path, path, method: request.method, headers, agent: false },
      })
      upstream.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, {
          ...OWN_SITE_HEADERS,
          ...pick(answer.headers, RESPONSE_HEADERS),
        })
        answer.pipe(response)
        answer.on('error', () => response.destroy())
      })
      upstream.on('error', () =>
        response.headersSent ? response.destroy() : refuse(response, 503, NOT_RUNNING),
      )
      // the descriptor of a long path is needed until the connection is open
      const open = stack.move()
      upstream.once('close', () => open.dispose())
      response.once('close', () => upstream.destroy())
      // Node sends the body of a GET without its framing, so that the recorder would read it as the next request
      if (hasBody) request.pipe(upstream)
      else upstream.end()
    } catch {
      refuse(response, 503, NOT_RUNNING)
    }
  }
}

function pick(headers: IncomingMessage['headers'], names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => (typeof headers[name] === 'string' ? [[name, headers[name]]] : [])),
  )
}

function refuse(response: ServerResponse, status: number, error: string): void {
  const body = JSON.stringify({ error })
  const headers = { ...OWN_SITE_HEADERS, 'Cache-Control': 'no-store', 'Content-Type': 'application/json' }
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}
