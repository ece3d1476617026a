import type { Socket } from 'node:net'

/**
 * Calls `onTooMuch` when more than `maxBytes` have come over a socket whose client is not `known` yet. A WebSocket gathers a
 * whole frame in memory before anybody else sees a byte of it.
 */
export function boundBytesBeforeLogin(
  socket: Socket,
  { maxBytes, known, onTooMuch }: { maxBytes: number; known(): boolean; onTooMuch(): void },
): void {
  let bytes = 0
  const count = (chunk: Buffer) => {
    bytes += chunk.length
    if (!known() && bytes <= maxBytes) return
    socket.off('data', count)
    if (!known()) onTooMuch()
  }
  socket.on('data', count)
}
