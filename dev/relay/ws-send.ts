import { WebSocket } from 'ws'
import type { Frame } from './frame.ts'

/** Bytes that may wait for one client: beyond that it does not read, and is cut off so that nobody waits for it. */
const WAITING_LIMIT = 4 * 1024 * 1024

/** Sends a frame if the socket is open. */
export function sendFrame(socket: WebSocket, frame: Frame): void {
  if (socket.readyState !== WebSocket.OPEN) return
  if (socket.bufferedAmount > WAITING_LIMIT) socket.terminate()
  else socket.send(JSON.stringify(frame))
}

/** Pings every `every` ms and ends a connection whose pong takes longer than `within`. */
export function keepAlive(socket: WebSocket, every: number, within: number): void {
  let deadline: NodeJS.Timeout | undefined
  const timer = setInterval(() => {
    socket.ping()
    deadline ??= setTimeout(() => socket.close(1011, 'keepalive timeout'), within)
  }, every)
  socket.on('pong', () => {
    clearTimeout(deadline)
    deadline = undefined
  })
  socket.on('close', () => {
    clearInterval(timer)
    clearTimeout(deadline)
  })
}
