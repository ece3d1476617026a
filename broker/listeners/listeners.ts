import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from 'node:tls'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { readConfiguredFile } from '#lib/configured-file.ts'
import { listen } from '#lib/http/listen.ts'
import { isLoopback } from '#lib/loopback.ts'
import { plainAddress } from '../auth/peer-address.ts'
import { isOpenTo, isTls, type Listener } from '../config.ts'
import type { Admission } from '../limits/connection-limiter.ts'

/** A connection that speaks MQTT, of whatever listener. */
export interface Incoming {
  stream: Duplex
  /** Beneath the stream; the same where there is nothing between. */
  socket: Socket
  address: string
  /** It may do without user name. */
  local: boolean
}

interface ListenDeps {
  admission: Admission
  /** Largest frame of a WebSocket, bytes. */
  maxBytes: number
  /** Sockets that are open, to be destroyed at the end. */
  sockets: Set<Socket>
  onConnection(incoming: Incoming): void
}

/** A listener that is open. */
export interface OpenListener extends Disposable {
  readonly type: Listener['type']
  readonly host: string
  readonly port: number
  /** Reads certificate and key again; connections that are open keep theirs. Throws {@link ConfigError}. */
  reload(): void
}

/** How long a handshake (TLS, HTTP) may take, ms. */
const HANDSHAKE = 10_000
/** Silence after which the system asks whether the other side is still there, ms. */
const KEEP_ALIVE = 30_000

/** Opens one listener. Throws {@link ConfigError} when its address or its certificate cannot be had. */
export async function openListener(config: Listener, deps: ListenDeps): Promise<OpenListener> {
  const { type, host } = config
  const server = createServerFor(config, deps)
  const taken = 'another broker is there: set broker.port and bus.url to a free port'
  const port = await listen(server, { section: 'broker', host, port: config.port, taken })
  return {
    type,
    host,
    port,
    reload() {
      if (isTls(type)) (server as TlsServer).setSecureContext(readCertificate(config))
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
  const server = bareServer(config)
  // the first listener: nothing is spent on who is refused
  server.prependListener('connection', (socket: Socket) => admit(socket, deps))
  if (type === 'ws' || type === 'wss') {
    acceptWebSockets(server as HttpServer, deps.maxBytes, accept)
  } else {
    const event = type === 'mqtts' ? 'secureConnection' : 'connection'
    server.on(event, (socket: Socket) => {
      if (!socket.destroyed) accept(socket, socket)
    })
  }
  return server
}

function bareServer(config: Listener): Server {
  const tls = isTls(config.type) ? { ...readCertificate(config), handshakeTimeout: HANDSHAKE } : {}
  const http = { headersTimeout: HANDSHAKE, requestTimeout: HANDSHAKE, noDelay: true, maxHeaderSize: 8_192 }
  if (config.type === 'mqtt') return createServer({ noDelay: true })
  if (config.type === 'mqtts') return createTlsServer({ ...tls, noDelay: true, minVersion: 'TLSv1.2' })
  if (config.type === 'wss') return createHttpsServer({ ...http, ...tls, minVersion: 'TLSv1.2' })
  return createHttpServer(http)
}

function admit(socket: Socket, { admission, sockets }: ListenDeps): void {
  const leave = admission.enter(plainAddress(socket.remoteAddress))
  if (!leave) {
    socket.destroy()
    return
  }
  sockets.add(socket)
  // one that has vanished without a word must not hold its place for ever
  socket.setKeepAlive(true, KEEP_ALIVE)
  socket.on('error', () => {}) // its stream tells, if there is one already
  socket.on('close', () => {
    sockets.delete(socket)
    leave()
  })
}

function acceptWebSockets(
  server: HttpServer,
  maxPayload: number,
  accept: (stream: Duplex, socket: Socket) => void,
): void {
  const sockets = new WebSocketServer({
    server,
    maxPayload,
    perMessageDeflate: false,
    // [MQTT-6.0.0-3]; mqttv3.1 is what older clients say
    handleProtocols: (protocols) => ['mqtt', 'mqttv3.1'].find((name) => protocols.has(name)) ?? false,
  })
  sockets.on('connection', (webSocket, request) => accept(createWebSocketStream(webSocket), request.socket))
  sockets.on('error', () => {}) // of the server: openListener tells
  server.on('request', (_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', connection: 'close' })
    response.end('This is MQTT over WebSocket: use an MQTT client.\n')
  })
}

function readCertificate({ cert = '', key = '' }: Listener): SecureContextOptions {
  const read = (name: string, path: string) => readConfiguredFile(`broker.listeners: ${name}`, path)
  return { cert: read('cert', cert), key: read('key', key) }
}
