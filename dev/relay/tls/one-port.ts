/** The room of HTTPS: certificates, and HTTP and HTTPS on one port. */
import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { createServer, type Server, type Socket } from 'node:net'

/** First byte of a TLS connection: a record of type handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16
/** Longest time until the first byte. */
const FIRST_BYTE_TIMEOUT_MS = 10_000

/**
 * A server that passes each connection on to one of these two, by its first byte. Their limits of time hold as if they listened
 * themselves.
 */
export function createOnePortServer(http: HttpServer, https: HttpsServer): Server {
  // half open like a server of HTTP: what is not sent yet reaches a client that has sent its last
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const timer = setTimeout(() => socket.destroy(), FIRST_BYTE_TIMEOUT_MS)
    const ignore = () => {} // the client disconnected; 'close' follows
    const destroy = () => socket.destroy()
    socket.on('error', ignore)
    socket.once('close', () => clearTimeout(timer))
    const pass = () => {
      const first: Buffer | null = socket.read(1)
      // 'readable' comes also at the end
      if (first === null) {
        socket.once('readable', pass)
        return
      }
      clearTimeout(timer)
      socket.unshift(first)
      socket.off('error', ignore)
      socket.off('end', destroy)
      const isTls = first[0] === TLS_HANDSHAKE
      if (isTls) socket.allowHalfOpen = false
      const next = isTls ? https : http
      next.emit('connection', socket satisfies Socket)
    }
    socket.once('readable', pass)
    socket.once('end', destroy)
  })
  for (const inner of [http, https]) {
    // begins and ends the checks of headersTimeout and requestTimeout
    server.once('listening', () => inner.emit('listening'))
    server.once('close', () => inner.close())
  }
  return server
}
