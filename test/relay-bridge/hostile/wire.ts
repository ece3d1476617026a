import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** Opcodes. RFC 6455 §5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

interface Shape {
  fin?: boolean
  /** Marked as compressed. RFC 7692 §6. */
  rsv1?: boolean
  /** Servers must not mask. RFC 6455 §5.1. */
  masked?: boolean
}

/** A WebSocket frame of a server, also one that the protocol forbids. */
export function frame(opcode: number, payload: string | Buffer = '', shape: Shape = {}): Buffer {
  const { fin = true, rsv1 = false, masked = false } = shape
  const body = Buffer.from(payload)
  const first = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode
  const mask = masked ? 0x80 : 0
  const head =
    body.length < 126
      ? Buffer.from([first, mask | body.length])
      : body.length < 65_536
        ? Buffer.from([first, mask | 126, body.length >> 8, body.length & 0xff])
        : longHead(first, mask, body.length)
  return Buffer.concat([head, ...(masked ? [Buffer.alloc(4)] : []), body])
}

function longHead(first: number, mask: number, length: number): Buffer {
  const head = Buffer.alloc(10)
  head[0] = first
  head[1] = mask | 127
  head.writeBigUInt64BE(BigInt(length), 2)
  return head
}

/** The head of an answer that accepts the upgrade. RFC 6455 §4.2.2. */
export function accepted({ headers }: IncomingMessage, more: readonly string[] = []): string {
  const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  const lines = ['Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Accept: ${accept}`, ...more]
  return ['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n')
}

/** Writes, and waits while the other side reads slowly; false when the connection or the attack has ended. */
export async function write(
  socket: Socket,
  bytes: string | Uint8Array,
  signal: AbortSignal,
): Promise<boolean> {
  if (signal.aborted || socket.destroyed) return false
  if (!socket.write(bytes)) await once(socket, 'drain', { signal }).catch(() => {})
  return !signal.aborted && !socket.destroyed
}
