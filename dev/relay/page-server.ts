import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { basename, extname } from 'node:path'
import { type OriginRule, OWN_SITE_HEADERS, rejectedOrigin } from '#lib/http/request-origin.ts'
import type { Access } from './access/access.ts'
import { LOGIN_SCRIPT, logIn, loginPage, redirect } from './access/login.ts'
import type { Answer } from './answer.ts'
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
const PATHS = ['/', '/history', '/login', '/health', '/debug/latency', '/debug/pairing'] as const

const WRONG_TOKEN = 'The token in the address is not that of this robot, or too many others were tried.'
const NO_LOGIN =
  'the relay rejects this request: log in on its page, or send the token as Authorization: Bearer'

type Handler = (query: URLSearchParams) => Answer

/** Paths without a login: what the page loads, and the health check; both the same for every client. */
const PUBLIC = /^\/(health|login|offline\.html|[\w-]+\.(js|css|svg|png|webmanifest))$/
/** Pages that show the login form to a browser that is not logged in. */
const PAGES: ReadonlySet<string> = new Set(['/', '/index.html', '/history'])

/** Every path that {@link servePage} answers a GET of. */
export function servedPaths(): string[] {
  return [...PATHS, ...pageFiles().map(pathOf)]
}

interface PageAccess extends OriginRule {
  access: Access
  isRobot(request: IncomingMessage): boolean
}

/** Serves HTTP: the page and its login, `/health`, and the relay's two debug addresses (docs/relay-protocol.md). */
export function servePage(
  hub: Hub,
  access: PageAccess,
): (request: IncomingMessage, response: ServerResponse) => void {
  const server = new PageServer(hub, access)
  return (request, response) => {
    // a client that disconnects while it sends a form needs no answer
    Promise.resolve(server.answer(request)).then(
      (given) => sendAnswer(response, given),
      () => response.destroy(),
    )
  }
}

class PageServer {
  readonly #options: PageAccess
  readonly #handlers: ReadonlyMap<string, Handler>

  constructor(hub: Hub, options: PageAccess) {
    this.#options = options
    // read once: only the files of this folder can be requested, by their plain name
    const files = new Map(pageFiles().map((url) => [pathOf(url), file(url)]))
    const fixed: Record<(typeof PATHS)[number], Handler> = {
      '/': viewerPage(hub, options.access),
      '/history': file(new URL('history/history.html', FOLDER)),
      '/login': () => loginPage('', { status: 200 }),
      '/health': () => json({ status: 'ok' }),
      '/debug/latency': (query) => json(latency(query.get('client_ts'))),
      '/debug/pairing': () =>
        json({ robot_connections: [...hub.robots.keys()], app_connections: hub.apps.size }),
    }
    this.#handlers = new Map<string, Handler>([
      ...files,
      ...Object.entries(fixed),
      ['/index.html', fixed['/']],
    ])
  }

  answer(request: IncomingMessage): Answer | Promise<Answer> {
    const rejected = rejectedOrigin(request, this.#options)
    if (rejected) return forbidden(`${rejected}: set local_relay.hosts if this name is the relay's`)
    const url = URL.parse(request.url ?? '/', 'http://relay')
    const path = url?.pathname ?? ''
    if (request.method === 'POST') return this.#post(request, path)
    const isGet = request.method === 'GET' || request.method === 'HEAD'
    return isGet ? this.#get(request, path, url?.searchParams ?? new URLSearchParams()) : notFound()
  }

  #post(request: IncomingMessage, path: string): Answer | Promise<Answer> {
    const { access } = this.#options
    if (path === '/login') return logIn(request, access)
    return path === '/logout' ? redirect('/', { 'Set-Cookie': access.logout(request) }) : notFound()
  }

  #get(request: IncomingMessage, path: string, query: URLSearchParams): Answer {
    const { access, isRobot } = this.#options
    const handler = this.#handlers.get(path) ?? notFound
    if (handler === notFound || PUBLIC.test(path)) return handler(query)
    // a robot checks at the debug addresses whether it is registered, and the relay's clock
    const isAllowed = access.roleOf(request, query) || (path.startsWith('/debug/') && isRobot(request))
    if (!PAGES.has(path)) return isAllowed ? handler(query) : forbidden(NO_LOGIN)
    if (isAllowed) return page(request, { path, query }, access, handler)
    return loginPage(query.has('token') ? WRONG_TOKEN : '')
  }
}

/**
 * The page for a client that may see it. A browser whose address has the token gets the cookie and the address without it, which
 * can be shared; a login by cookie begins its time again.
 */
function page(
  request: IncomingMessage,
  { path, query }: { path: string; query: URLSearchParams },
  access: Access,
  handler: Handler,
): Answer {
  const token = query.get('token')
  if (token !== null && !access.isOpen && request.headers.accept?.includes('text/html')) {
    const login = access.login(request, token)
    const rest = new URLSearchParams(query)
    rest.delete('token')
    if (login.role) return redirect(rest.size > 0 ? `${path}?${rest}` : path, { 'Set-Cookie': login.cookie })
  }
  const cookie = access.renew(request)
  return cookie === undefined ? handler(query) : { ...handler(query), headers: { 'Set-Cookie': cookie } }
}

/** Sends an answer, with the headers that every answer has. */
export function sendAnswer(
  response: ServerResponse,
  { status = 200, type, body, headers = {} }: Answer,
): void {
  response.writeHead(status, {
    ...HEADERS,
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  })
  response.end(body)
}

/** The page, and its style and what makes it an app: each by its plain name. */
function pageFiles(): URL[] {
  const folders = [FOLDER, new URL('app/', FOLDER), new URL('history/', FOLDER)]
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => new URL(name, folder)),
  )
  return [...files, LOGIN_SCRIPT]
}

const pathOf = (url: URL) => `/${basename(url.pathname)}`

function file(url: URL): Handler {
  const type = TYPES[extname(url.pathname)] ?? 'application/octet-stream'
  const body = readFileSync(url)
  return () => ({ type, body })
}

/** The page; its body says what it cannot know: that no robot can log in at this relay, and whether there is a login to end. */
function viewerPage(hub: Hub, access: Access): Handler {
  const identity = hub.options.deviceIds.length > 0 ? '' : ' data-identity="missing"'
  const login = access.isOpen ? '' : ' data-login="required"'
  const page = readFileSync(new URL('index.html', FOLDER), 'utf8')
  const body = page.replace('<body>', `<body${identity}${login}>`)
  return () => ({ type: TYPES['.html'] ?? '', body })
}

function notFound(): Answer {
  return { status: 404, type: 'text/plain', body: 'not found\n' }
}

function forbidden(reason: string): Answer {
  return { status: 403, type: 'text/plain', body: `${reason}\n` }
}

function json(value: unknown): Answer {
  return { type: 'application/json', body: JSON.stringify(value) }
}

function latency(clientTs: string | null) {
  const [server_ts, client_ts] = [Date.now(), Number(clientTs)]
  return { server_ts, client_ts, clock_delta_ms: server_ts - client_ts }
}
