import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Server as NetServer, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { boundConnections } from '#lib/http/bound-connections.ts'
import { listen } from '#lib/http/listen.ts'
import { createServer } from '#lib/http/node-http.ts'
import type { Logger } from '#lib/logger.ts'
import type { LocalRelaySection } from './config.ts'
import { type CertificatePair, openCertificate } from './tls/certificate.ts'
import { createOnePortServer } from './tls/one-port.ts'

/** Connections that are not WebSockets. */
const MAX_HTTP_CONNECTIONS = 256
const HANDSHAKE_TIMEOUT_MS = 10_000
/** Time for clients to close their connections when the relay stops. */
const CLOSE_TIMEOUT_MS = 300
const LIMITS = {
  headersTimeout: HANDSHAKE_TIMEOUT_MS,
  requestTimeout: HANDSHAKE_TIMEOUT_MS,
  connectionsCheckingInterval: 5_000,
  noDelay: true,
}

interface ServerOptions {
  section: LocalRelaySection
  dataDir: string
  /** `wimz-05.local` */
  localName: string
  log: Logger
  onRequest(request: IncomingMessage, response: ServerResponse): void
  /** `exempt` takes a WebSocket out of the limit of connections; it has limits of its own. */
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, exempt: (socket: Duplex) => void): void
}

/** The open port of the relay: HTTP, and HTTPS on the same port where it is configured. */
export interface RelayServer extends AsyncDisposable {
  readonly port: number
  /** The certificate in use, where there is HTTPS. */
  readonly certificate: CertificatePair | undefined
}

/** Throws a ConfigError when its address or its certificate is unusable. */
export async function openServer(options: ServerOptions): Promise<RelayServer> {
  const { section, dataDir, localName, log } = options
  await using stack = new AsyncDisposableStack()
  const http = createServer(LIMITS)
  const servers: Server[] = [http]
  let server: NetServer = http
  let certificate: CertificatePair | undefined
  if (section.https) {
    const { cert, key } = section
    const files = cert === undefined || key === undefined ? undefined : { cert, key }
    const onChange = (pair: CertificatePair) => {
      certificate = pair
      https.setSecureContext(pair)
    }
    const opened = stack.use(await openCertificate({ files, dataDir, localName, log, onChange }))
    certificate = opened.pair
    const https = createHttpsServer({
      ...LIMITS,
      ...certificate,
      minVersion: 'TLSv1.2',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    })
    servers.push(https)
    server = createOnePortServer(http, https)
  }
  const exempt = boundConnections(server, MAX_HTTP_CONNECTIONS)
  for (const one of servers) {
    one.on('request', options.onRequest)
    one.on('upgrade', (request, socket, head) => options.onUpgrade(request, socket, head, exempt))
  }
  const { host } = section
  const taken = 'the address is already in use: set local_relay.port, and cloud.relay_url to it'
  const port = await listen(server, { section: 'local_relay', host, port: section.port, taken })
  const sockets = followSockets(server)
  stack.defer(() => close(server, servers, sockets))
  const owned = stack.move()
  return {
    port,
    get certificate() {
      return certificate
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function followSockets(server: NetServer): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

async function close(
  server: NetServer,
  servers: readonly Server[],
  sockets: ReadonlySet<Socket>,
): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  for (const one of servers) one.closeIdleConnections()
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy()
  }, CLOSE_TIMEOUT_MS)
  await closed
  clearTimeout(timer)
}
