import { X509Certificate } from 'node:crypto'
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from 'node:tls'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { ConfigError } from '#lib/config-error.ts'
import { readConfiguredFile } from '#lib/configured-file.ts'
import { listen } from '#lib/http/listen.ts'
import { createServer as createHttpServer } from '#lib/http/node-http.ts'
import { rejectedOrigin } from '#lib/http/request-origin.ts'
import { isLoopback, plainAddress } from '#lib/loopback.ts'
import { isOpenTo, isTls, type Listener } from '../config.ts'
import type { ConnectionLimiter } from '../limits/connection-limiter.ts'
import { type Incoming, standingOf } from './connection.ts'

interface ListenDeps {
  limiter: ConnectionLimiter
  /** Largest WebSocket frame [bytes]. */
  maxBytes: number
  /** Pages that may connect by WebSocket, beside pages of the same host. */
  origins: readonly string[]
  /** Open sockets, to be destroyed when the broker stops. */
  sockets: Set<Socket>
  onConnection(incoming: Incoming): void
}

/** An open listener. */
export interface OpenListener extends Disposable {
  readonly type: Listener['type']
  readonly host: string
  readonly port: number
  /** Reads certificate and key again; open connections keep theirs. Throws where they are unusable or expired. */
  reload(): void
}

/** Deadline of a TLS or HTTP handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000
/** Idle time before TCP keepalive probes. */
const KEEP_ALIVE_DELAY_MS = 30_000

/** Opens a listener. Throws {@link ConfigError} if its address or certificate is unusable. */
export async function openListener(config: Listener, deps: ListenDeps): Promise<OpenListener> {
  const { type, host } = config
  const server = createServerFor(config, deps)
  const taken = 'address already in use: set broker.port and bus.url to a free port, or stop the other broker'
  const port = await listen(server, { section: 'broker', host, port: config.port, taken })
  return {
    type,
    host,
    port,
    reload() {
      if (isTls(type)) (server as TlsServer).setSecureContext(readValidCertificate(config))
    },
    [Symbol.dispose]: () => void server.close(),
  }
}

function createServerFor(config: Listener, deps: ListenDeps): Server {
  const { type, host } = config
  const accept = (stream: Duplex, socket: Socket) => {
    const address = plainAddress(socket.remoteAddress)
    deps.onConnection({ stream, socket, address, local: isOpenTo(type, host) && isLoopback(address) })
  }
  const server = createNodeServer(config)
  // before all other listeners, so that a rejected connection costs nothing
  server.prependListener('connection', (socket: Socket) => admit(socket, deps))
  if (type === 'ws' || type === 'wss') {
    acceptWebSockets(server as HttpServer, deps, accept)
  } else {
    const event = type === 'mqtts' ? 'secureConnection' : 'connection'
    server.on(event, (socket: Socket) => {
      if (!socket.destroyed) accept(socket, socket)
    })
  }
  return server
}

function createNodeServer(config: Listener): Server {
  const tls = isTls(config.type) ? { ...readCertificate(config), handshakeTimeout: HANDSHAKE_TIMEOUT_MS } : {}
  const http = {
    headersTimeout: HANDSHAKE_TIMEOUT_MS,
    requestTimeout: HANDSHAKE_TIMEOUT_MS,
    noDelay: true,
    maxHeaderSize: 8_192,
  }
  if (config.type === 'mqtt') return createServer({ noDelay: true })
  if (config.type === 'mqtts') return createTlsServer({ ...tls, noDelay: true, minVersion: 'TLSv1.2' })
  if (config.type === 'wss') return createHttpsServer({ ...http, ...tls, minVersion: 'TLSv1.2' })
  return createHttpServer(http)
}

function admit(socket: Socket, { limiter, sockets }: ListenDeps): void {
  const occupant = { standing: () => standingOf(socket), end: () => void socket.destroy() }
  const release = limiter.accept(plainAddress(socket.remoteAddress), occupant)
  if (!release) {
    socket.destroy()
    return
  }
  sockets.add(socket)
  // a peer that vanished must not occupy its place forever
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
  socket.on('error', () => {}) // reported by its stream
  socket.on('close', () => {
    sockets.delete(socket)
    release()
  })
}

function acceptWebSockets(
  server: HttpServer,
  { maxBytes, origins }: ListenDeps,
  accept: (stream: Duplex, socket: Socket) => void,
): void {
  const sockets = new WebSocketServer({
    server,
    maxPayload: maxBytes,
    perMessageDeflate: false,
    verifyClient: ({ req }: { req: IncomingMessage }) => !rejectedOrigin(req, { origins, anyPort: true }),
    // [MQTT-6.0.0-3]; older clients request mqttv3.1
    handleProtocols: (protocols) => ['mqtt', 'mqttv3.1'].find((name) => protocols.has(name)) ?? false,
  })
  sockets.on('connection', (webSocket, request) => {
    const stream = createWebSocketStream(webSocket)
    // [MQTT-6.0.0-1]: text frames end the connection; before the stream's own listener
    webSocket.prependListener('message', (_bytes: unknown, isBinary: boolean) => {
      if (!isBinary) stream.destroy()
    })
    accept(stream, request.socket)
  })
  sockets.on('error', () => {}) // server errors are reported by openListener
  server.on('request', (_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', connection: 'close' })
    response.end('This is MQTT over WebSocket: use an MQTT client.\n')
  })
}

function readCertificate({ cert = '', key = '' }: Listener): SecureContextOptions {
  const read = (name: string, path: string) => readConfiguredFile(`broker.listeners: ${name}`, path)
  return { cert: read('cert', cert), key: read('key', key) }
}

function readValidCertificate(listener: Listener): SecureContextOptions {
  const context = readCertificate(listener)
  const { validTo } = new X509Certificate(context.cert as Buffer)
  if (Date.parse(validTo) > Date.now()) return context
  throw new ConfigError(`broker.listeners: cert ${listener.cert} has expired (${validTo})`)
}
