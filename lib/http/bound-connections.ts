import type { Server } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Bounds the open connections of a server: beyond `most` the oldest ends, so that clients that connect and send nothing keep no
 * other out. Returns a function that exempts a connection, for WebSockets, which have limits of their own.
 */
export function boundConnections(server: Server, most: number): (socket: Duplex) => void {
  const open = new Set<Duplex>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    const [oldest] = open
    if (open.size > most) oldest?.destroy()
  })
  return (socket) => void open.delete(socket)
}
