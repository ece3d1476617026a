import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { z } from 'zod'
import type { CloudIdentity } from '#lib/config-schema.ts'
import { listen } from '#lib/http/listen.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { defineUnit } from '#lib/process/service.ts'
import { App } from './app.ts'
import { mayOpenApp } from './app-auth.ts'
import { config, type LocalRelaySection } from './config.ts'
import { authenticate } from './device-auth.ts'
import { Hub } from './hub.ts'
import { servePage } from './page-server.ts'
import { Robot } from './robot.ts'
import { RELAY_TIMES, type RelayTimes } from './times.ts'

export const localRelay = defineUnit({
  name: 'local-relay',
  config,
  optionalEnv: ['cloud.device_id', 'cloud.device_secret'],
  start: startRelay,
})

interface RelayDeps {
  config: { local_relay: LocalRelaySection; cloud: z.infer<typeof CloudIdentity> }
  log: Logger
  /** Shorter in tests. */
  times?: Partial<RelayTimes>
}

/** A running relay. */
export interface RunningRelay extends AsyncDisposable {
  readonly port: number
}

/** uvicorn's limit for one frame; beyond it the connection ends with 1009 (API_CONTRACT 0). */
const FRAME_LIMIT = 16 * 1024 * 1024
/** Apps at the same time. */
const MAX_APPS = 32
/** RFC 6455 7.4.1 and IANA: service restart, as uvicorn says it. */
const SERVICE_RESTART = 1012

/**
 * A relay with the wire behaviour of the one in the cloud, but for accounts: whoever reaches it may watch, several apps
 * side by side unless `single_app`, and no command limit. Throws a ConfigError when the address cannot be had.
 */
export async function startRelay({ config, log, times = {} }: RelayDeps): Promise<RunningRelay> {
  const { local_relay: section, cloud } = config
  const secrets = new Map(Object.entries(section.devices))
  if (cloud.device_id && cloud.device_secret) secrets.set(cloud.device_id, cloud.device_secret)
  const hub = new Hub({
    log,
    times: { ...RELAY_TIMES, ...times },
    iceServers: section.ice_servers,
    dogs: section.dogs,
    singleApp: section.single_app,
    deviceIds: [...secrets.keys()],
  })
  await using stack = new AsyncDisposableStack()
  const tally = stack.use(createEventCounter(log, 'turned away', { every: 10_000 }))
  const server = createServer(servePage(hub))
  const sockets = new WebSocketServer({ noServer: true, maxPayload: FRAME_LIMIT, perMessageDeflate: false })
  const admit = createAdmission({ hub, sockets, secrets, token: section.token })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {}) // gone before we answered
    const refused = admit(request, socket, head)
    if (refused) tally.count(refused)
  })
  const { host } = section
  const taken = 'the port is taken: set local_relay.port, and cloud.relay_url to it'
  const port = await listen(server, { section: 'local_relay', host, port: section.port, taken })
  stack.defer(() => closeServer(server, sockets))
  log.info({ host, port, devices: secrets.size }, 'relay listens')
  const owned = stack.move()
  return { port, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

type Welcome = (socket: WebSocket) => void

interface Admission {
  hub: Hub
  sockets: WebSocketServer
  secrets: ReadonlyMap<string, string>
  token: string | undefined
}

/** Decides on an upgrade; what it refuses gets HTTP 403, unknown paths too (API_CONTRACT 8). Returns who was refused. */
function createAdmission({ hub, sockets, secrets, token }: Admission) {
  const welcome = (path: string, request: IncomingMessage, query: URLSearchParams): Welcome | undefined => {
    if (path === '/ws/device') {
      const deviceId = authenticate(request, query, (id) => secrets.get(id))
      if (deviceId === undefined) return undefined
      return (socket) => void new Robot(deviceId, socket, hub).register()
    }
    if (path !== '/ws/app' || !mayOpenApp(request, query, token) || hub.apps.size >= MAX_APPS)
      return undefined
    const deviceId = hub.deviceFor(query.get('device_id') ?? undefined)
    if (deviceId === undefined) return undefined
    return (socket) => void new App(deviceId, socket, hub)
  }
  return (request: IncomingMessage, socket: Duplex, head: Buffer): string | undefined => {
    const url = URL.parse(request.url ?? '/', 'http://relay')
    const path = url?.pathname ?? ''
    const accept = welcome(path, request, url?.searchParams ?? new URLSearchParams())
    if (!accept) {
      socket.once('finish', () => socket.destroy())
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      return path.slice(0, 40)
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => {}) // its close follows
      accept(webSocket)
    })
    return undefined
  }
}

async function closeServer(server: Server, sockets: WebSocketServer): Promise<void> {
  for (const client of sockets.clients) client.close(SERVICE_RESTART)
  const closed = new Promise((resolve) => server.close(resolve))
  const timer = setTimeout(() => {
    for (const client of sockets.clients) client.terminate()
    server.closeAllConnections()
  }, 300)
  await closed
  clearTimeout(timer)
}
