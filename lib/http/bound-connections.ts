import type { Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Bounds the open connections of a server: beyond `most` the oldest ends, so that clients that connect and send nothing keep no
 * other out. Returns a function that exempts a connection, or the TLS connection in it, for WebSockets, which have limits of their
 * own.
 */
export function boundConnections(server: Server, most: number): (socket: Duplex) => void {
  const open = new Map<string, Socket>()
  server.on('connection', (socket) => {
    const key = keyOf(socket)
    open.set(key, socket)
    socket.once('close', () => open.delete(key))
    const [oldest] = open.values()
    if (open.size > most) oldest?.destroy()
  })
  return (socket) => void open.delete(keyOf(socket as Socket))
}

/** The same for a TLS socket and the socket in it. */
function keyOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`
}
