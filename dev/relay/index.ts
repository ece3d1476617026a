import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { z } from 'zod'
import type { CloudIdentity } from '#lib/config-schema.ts'
import { boundConnections } from '#lib/http/bound-connections.ts'
import { listen } from '#lib/http/listen.ts'
import { type OriginRule, rejectedOrigin } from '#lib/http/request-origin.ts'
import type { Logger } from '#lib/logger.ts'
import { isLoopback } from '#lib/loopback.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { defineUnit } from '#lib/process/service.ts'
import { App } from './app.ts'
import { hasToken } from './app-auth.ts'
import { config, type LocalRelaySection } from './config.ts'
import { authenticate } from './device-auth.ts'
import { Discovery, isInBridgeNetwork } from './discovery.ts'
import { hostLabel } from './dns-sd.ts'
import { Hub } from './hub.ts'
import { servePage } from './page-server.ts'
import { Robot } from './robot.ts'
import { RELAY_TIMES, type RelayTimes } from './times.ts'
import { WhepEndpoint } from './whep/whep-endpoint.ts'

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

/** Limit of a frame in uvicorn; a longer one closes the connection with 1009. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024
/** Connections that are not WebSockets. */
const MAX_HTTP_CONNECTIONS = 256
/** WebSocket close code of IANA, as uvicorn sends it. */
const SERVICE_RESTART = 1012

/**
 * A relay with the wire behavior of the one in the cloud, without accounts and command limits: a client with the token may
 * watch, several apps at a time unless `single_app`. Throws a ConfigError when it cannot listen on its address.
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
  const rejections = stack.use(createEventCounter(log, 'connections rejected', { every: 10_000 }))
  const access = { token: section.token, hosts: section.hosts }
  const isRobot = (request: IncomingMessage) =>
    authenticate(request, new URLSearchParams(), (id) => secrets.get(id)) !== undefined
  const page = servePage(hub, { ...access, isRobot })
  const whep = new WhepEndpoint(hub, access)
  const server = createServer((request, response) => {
    if (!whep.serve(request, response)) page(request, response)
  })
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
  })
  const exempt = boundConnections(server, MAX_HTTP_CONNECTIONS)
  const upgrade = createUpgradeHandler({ hub, sockets, secrets, access, exempt })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {}) // the client disconnected before the answer
    const rejected = upgrade(request, socket, head)
    if (rejected) rejections.count(rejected)
  })
  const { host } = section
  const taken = 'the address is already in use: set local_relay.port, and cloud.relay_url to it'
  const port = await listen(server, { section: 'local_relay', host, port: section.port, taken })
  stack.defer(() => closeServer(server, sockets))
  log.info({ host, port, devices: secrets.size }, 'relay listens')
  if (secrets.size === 0)
    log.warn('no robot can log in here: set DEVICE_ID and DEVICE_SECRET, or local_relay.devices')
  if (isAnnounced(config)) {
    const announced = { host: hostLabel(cloud.device_id), instance: `WIM-Z ${cloud.device_id}`, port }
    stack.use(await Discovery.start({ announced, log }))
  }
  const owned = stack.move()
  return { port, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function isAnnounced({ local_relay: { discovery, host }, cloud }: RelayDeps['config']): boolean {
  return discovery && !isLoopback(host) && cloud.device_id !== '' && !isInBridgeNetwork()
}

/** The addresses of WebSockets, for robots and for apps. */
export const SOCKET_PATHS = ['/ws/device', '/ws/app'] as const

type Accept = (socket: WebSocket) => void

interface UpgradeDeps {
  hub: Hub
  sockets: WebSocketServer
  secrets: ReadonlyMap<string, string>
  access: { token: string | undefined } & OriginRule
  exempt(socket: Duplex): void
}

/** Accepts upgrade requests; rejects others, also of unknown paths, with HTTP 403. Returns the path of a rejected one. */
function createUpgradeHandler({ hub, sockets, secrets, access, exempt }: UpgradeDeps) {
  const acceptApp = (request: IncomingMessage, query: URLSearchParams): Accept | undefined => {
    if (!hasToken(request, query, access.token) || hub.isFull) return undefined
    const deviceId = hub.deviceFor(query.get('device_id') ?? undefined)
    return deviceId === undefined ? undefined : (socket) => void new App(deviceId, socket, hub)
  }
  const acceptRobot = (request: IncomingMessage, query: URLSearchParams): Accept | undefined => {
    const deviceId = authenticate(request, query, (id) => secrets.get(id))
    return deviceId === undefined ? undefined : (socket) => void new Robot(deviceId, socket, hub).register()
  }
  const acceptors: Record<(typeof SOCKET_PATHS)[number], typeof acceptApp> = {
    '/ws/device': acceptRobot,
    '/ws/app': acceptApp,
  }
  const decide = (path: string, request: IncomingMessage, query: URLSearchParams): Accept | undefined => {
    const known = SOCKET_PATHS.find((one) => one === path)
    return known && !rejectedOrigin(request, access) ? acceptors[known](request, query) : undefined
  }
  return (request: IncomingMessage, socket: Duplex, head: Buffer): string | undefined => {
    const url = URL.parse(request.url ?? '/', 'http://relay')
    const path = url?.pathname ?? ''
    const accept = decide(path, request, url?.searchParams ?? new URLSearchParams())
    if (!accept) {
      socket.once('finish', () => socket.destroy())
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      return path.slice(0, 40)
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      exempt(socket)
      webSocket.on('error', () => {}) // 'close' follows
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
