import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname } from 'node:path'
import type { Hub } from './hub.ts'

const FOLDER = new URL('page/', import.meta.url)
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

type Answer = (query: URLSearchParams) => { type: string; body: string | Buffer }

/** Answers HTTP: the page, `/health`, and the relay's two debug pages (API_CONTRACT 1.5, 8). */
export function servePage(hub: Hub): (request: IncomingMessage, response: ServerResponse) => void {
  const files = new Map(readdirSync(FOLDER).map((name) => [`/${name}`, file(name)]))
  const answers = new Map<string, Answer>([
    // read once: only what lies in the folder now can be asked for, by its plain name
    ...files,
    ['/', files.get('/index.html') ?? notFound],
    ['/health', () => json({ status: 'ok' })],
    ['/debug/latency', (query) => json(latency(query.get('client_ts')))],
    [
      '/debug/pairing',
      () => json({ robot_connections: [...hub.robots.keys()], app_connections: hub.apps.size }),
    ],
  ])
  return (request, response) => {
    const url = URL.parse(request.url ?? '/', 'http://relay')
    const find =
      request.method === 'GET' || request.method === 'HEAD' ? answers.get(url?.pathname ?? '') : undefined
    const { type, body } = (find ?? notFound)(url?.searchParams ?? new URLSearchParams())
    response.writeHead(find ? 200 : 404, {
      ...HEADERS,
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
    })
    response.end(body)
  }
}

function file(name: string): Answer {
  const type = TYPES[extname(name)] ?? 'application/octet-stream'
  const body = readFileSync(new URL(name, FOLDER))
  return () => ({ type, body })
}

function notFound(): ReturnType<Answer> {
  return { type: 'text/plain', body: 'not found\n' }
}

function json(value: unknown): ReturnType<Answer> {
  return { type: 'application/json', body: JSON.stringify(value) }
}

function latency(clientTs: string | null) {
  const [server_ts, client_ts] = [Date.now(), Number(clientTs)]
  return { server_ts, client_ts, clock_delta_ms: server_ts - client_ts }
}
