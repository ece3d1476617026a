import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { type OriginRule, rejectedOrigin } from '#lib/http/request-origin.ts'
import type { Access } from './access/access.ts'
import { App } from './app.ts'
import { authenticate } from './device-auth.ts'
import type { Hub } from './hub.ts'
import { Robot } from './robot.ts'
import { isPrivate } from './tls/https-only.ts'

/** The addresses of WebSockets, for robots and for apps. */
export const SOCKET_PATHS = ['/ws/device', '/ws/app'] as const

type Accept = (socket: WebSocket) => void

interface UpgradeDeps {
  hub: Hub
  sockets: WebSocketServer
  secrets: ReadonlyMap<string, string>
  access: Access
  origins: OriginRule
  /** Whether WebSockets need HTTPS, except from this machine. */
  httpsOnly: boolean
}

/** Accepts upgrade requests; rejects others, also of unknown paths, with HTTP 403. Returns the path of a rejected one. */
export function createUpgradeHandler(deps: UpgradeDeps) {
  const { hub, sockets, secrets, access, origins, httpsOnly } = deps
  const acceptApp = (request: IncomingMessage, query: URLSearchParams): Accept | undefined => {
    const role = access.roleOf(request, query)
    if (!role || hub.isFullFor(role)) return undefined
    const deviceId = hub.deviceFor(query.get('device_id') ?? undefined)
    return deviceId === undefined ? undefined : (socket) => void new App({ deviceId, role }, socket, hub)
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
    if (httpsOnly && !isPrivate(request)) return undefined
    return known && !rejectedOrigin(request, origins) ? acceptors[known](request, query) : undefined
  }
  return (
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    exempt: (socket: Duplex) => void,
  ): string | undefined => {
    const url = URL.parse(request.url ?? '/', 'http://relay')
    const path = url?.pathname ?? ''
    const accept = decide(path, request, url?.searchParams ?? new URLSearchParams())
    if (!accept) {
      socket.once('finish', () => socket.destroy())
      const hint = httpsOnly && !isPrivate(request) ? 'HTTPS only (local_relay.https): wss://' : ''
      const head = ['HTTP/1.1 403 Forbidden', `Content-Length: ${hint.length}`, 'Connection: close']
      socket.end(`${head.join('\r\n')}\r\n\r\n${hint}`)
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
