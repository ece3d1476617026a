import type { Server } from 'node:http'
import { topics } from '#bus/topics.ts'
import { MetricsSection } from '#lib/config-schema.ts'
import { listen } from '#lib/http/listen.ts'
import { createServer } from '#lib/http/node-http.ts'
import { OWN_SITE_HEADERS, rejectedOrigin } from '#lib/http/request-origin.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { Collection } from './collection.ts'

export const metrics = defineService({
  name: 'metrics',
  config: { metrics: MetricsSection },
  start: startMetrics,
})

/** This machine only: metrics reveal when people are at home. */
const HOST = '127.0.0.1'
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Collects `metrics/<service>` of all services and serves them to Prometheus on one port. Throws a ConfigError when the port
 * is not available.
 */
export async function startMetrics({
  bus,
  config,
  log,
}: Deps<{ metrics: MetricsSection }>): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { port } = config.metrics
  if (port === null) {
    log.warn('metrics.port is not set: nothing to do')
    return stack.move()
  }
  const collection = new Collection(bus)
  stack.use(bus.onConnect(() => collection.forget()))
  stack.use(
    await bus.subscribe(topics.metrics, (metrics, { params }) => collection.ingest(params.service, metrics)),
  )
  stack.use(
    await bus.subscribe(topics.serviceState, ({ state }, { params }) =>
      collection.setOnline(params.service, state === 'online'),
    ),
  )
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(OWN_SITE_HEADERS)) response.setHeader(name, value)
    const rejected = rejectedOrigin(request)
    if (rejected) return void response.writeHead(403).end(`${rejected}\n`)
    if (request.url !== '/metrics') return void response.writeHead(404).end('see /metrics\n')
    collection.text().then(
      (text) => response.writeHead(200, { 'Content-Type': CONTENT_TYPE }).end(text),
      (err: unknown) => {
        log.warn({ err }, 'metrics cannot be collected')
        response.writeHead(500).end()
      },
    )
  })
  Object.assign(server, { maxConnections: 16, requestTimeout: 5_000, headersTimeout: 5_000 })
  const taken = 'address already in use: set metrics.port to a free port'
  await listen(server, { section: 'metrics', host: HOST, port, taken })
  stack.defer(() => close(server))
  log.info({ address: `http://${HOST}:${port}/metrics` }, 'metrics served')
  return stack.move()
}

function close(server: Server): void {
  server.close()
  server.closeAllConnections()
}
