import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { basename, extname } from 'node:path'
import { type OriginRule, OWN_SITE_HEADERS, rejectedOrigin } from '#lib/http/request-origin.ts'
import { hasToken } from './app-auth.ts'
import type { Hub } from './hub.ts'

const FOLDER = new URL('page/', import.meta.url)
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
}
const HEADERS = { ...OWN_SITE_HEADERS, 'Cache-Control': 'no-store' }

/** What is served beside the files of the page. */
const PATHS = ['/', '/health', '/debug/latency', '/debug/pairing'] as const

type Handler = (query: URLSearchParams) => { status?: number; type: string; body: string | Buffer }

/** Paths without the token: what the page loads, and the health check; both the same for every client. */
const PUBLIC = /^\/(health|offline\.html|[\w-]+\.(js|css|svg|png|webmanifest))$/

/** Every path that {@link servePage} serves. */
export function servedPaths(): string[] {
  return [...PATHS, ...pageFiles().map(pathOf)]
}

/** Serves HTTP: the page, `/health`, and the relay's two debug addresses (docs/relay-protocol.md). */
export function servePage(
  hub: Hub,
  access: { token: string | undefined; isRobot(request: IncomingMessage): boolean } & OriginRule,
): (request: IncomingMessage, response: ServerResponse) => void {
  // read once: only the files of this folder can be requested, by their plain name
  const files = new Map(pageFiles().map((url) => [pathOf(url), file(url)]))
  const fixed: Record<(typeof PATHS)[number], Handler> = {
    '/': hub.options.deviceIds.length > 0 ? (files.get('/index.html') ?? notFound) : pageWithoutRobot,
    '/health': () => json({ status: 'ok' }),
    '/debug/latency': (query) => json(latency(query.get('client_ts'))),
    '/debug/pairing': () =>
      json({ robot_connections: [...hub.robots.keys()], app_connections: hub.apps.size }),
  }
  const handlers = new Map<string, Handler>([...files, ...Object.entries(fixed)])
  const handlerOf = (request: IncomingMessage, path: string, query: URLSearchParams): Handler => {
    const rejected = rejectedOrigin(request, access)
    if (rejected) return () => forbidden(`${rejected}: set local_relay.hosts if this name is the relay's`)
    if (request.method !== 'GET' && request.method !== 'HEAD') return notFound
    const handler = handlers.get(path) ?? notFound
    if (handler === notFound || PUBLIC.test(path) || hasToken(request, query, access.token)) return handler
    // a robot checks here whether it is registered, and the relay's clock
    if (path.startsWith('/debug/') && access.isRobot(request)) return handler
    return () =>
      forbidden('the relay rejects this page: its address must end in ?token=… with the right token')
  }
  return (request, response) => {
    const url = URL.parse(request.url ?? '/', 'http://relay')
    const query = url?.searchParams ?? new URLSearchParams()
    const { status = 200, type, body } = handlerOf(request, url?.pathname ?? '', query)(query)
    response.writeHead(status, {
      ...HEADERS,
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
    })
    response.end(body)
  }
}

/** The page, and what makes it an app: each by its plain name. */
function pageFiles(): URL[] {
  return [FOLDER, new URL('app/', FOLDER)].flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => new URL(name, folder)),
  )
}

const pathOf = (url: URL) => `/${basename(url.pathname)}`

function file(url: URL): Handler {
  const type = TYPES[extname(url.pathname)] ?? 'application/octet-stream'
  const body = readFileSync(url)
  return () => ({ type, body })
}

/** The page that says what to do: no robot can log in at this relay. */
function pageWithoutRobot(): ReturnType<Handler> {
  const page = readFileSync(new URL('index.html', FOLDER), 'utf8')
  return { type: TYPES['.html'] ?? '', body: page.replace('<body>', '<body data-identity="missing">') }
}

function notFound(): ReturnType<Handler> {
  return { status: 404, type: 'text/plain', body: 'not found\n' }
}

function forbidden(reason: string): ReturnType<Handler> {
  return { status: 403, type: 'text/plain', body: `${reason}\n` }
}

function json(value: unknown): ReturnType<Handler> {
  return { type: 'application/json', body: JSON.stringify(value) }
}

function latency(clientTs: string | null) {
  const [server_ts, client_ts] = [Date.now(), Number(clientTs)]
  return { server_ts, client_ts, clock_delta_ms: server_ts - client_ts }
}
