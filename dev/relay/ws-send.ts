import { WebSocket } from 'ws'
import type { Frame } from './frame.ts'

/** Send buffer of a client that does not read, beyond which it is disconnected. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024

/** Sends a frame if the socket is open. */
export function sendFrame(socket: WebSocket, frame: Frame): void {
  if (socket.readyState !== WebSocket.OPEN) return
  if (socket.bufferedAmount > MAX_BUFFERED_BYTES) socket.terminate()
  else socket.send(JSON.stringify(frame))
}

/** Pings every `interval` ms and closes a connection whose pong takes longer than `timeout` ms. */
export function keepAlive(socket: WebSocket, interval: number, timeout: number): void {
  let deadline: NodeJS.Timeout | undefined
  const timer = setInterval(() => {
    socket.ping()
    deadline ??= setTimeout(() => socket.close(1011, 'keepalive timeout'), timeout)
  }, interval)
  socket.on('pong', () => {
    clearTimeout(deadline)
    deadline = undefined
  })
  socket.on('close', () => {
    clearInterval(timer)
    clearTimeout(deadline)
  })
}
