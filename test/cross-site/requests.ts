import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Form } from './forms.ts'

const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]

export interface Target {
  port: number
  tls?: boolean
}

export interface Reply {
  /** Undefined when the answer is not HTTP. */
  status: number | undefined
  /** All that came, head included. */
  text: string
}

/** Sends the bytes of a request as they are, since HTTP clients correct them; returns what came back until the end. */
async function exchange({ port, tls }: Target, head: readonly string[], isUpgrade: boolean): Promise<Reply> {
  const socket = tls
    ? connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    : connect({ host: '127.0.0.1', port })
  socket.on('error', () => {}) // what had come by then counts
  const chunks: Buffer[] = []
  const text = () => Buffer.concat(chunks).toString('latin1')
  socket.on('data', (chunk) => {
    chunks.push(chunk)
    if (isUpgrade && /^HTTP\/1.1 101.*\r\n\r\n/s.test(text())) socket.destroy()
  })
  const closed = once(socket, 'close')
  socket.write(`${[...head, '', ''].join('\r\n').replaceAll('PORT', String(port))}`)
  await closed
  const status = /^HTTP\/1.1 (\d+)/.exec(text())?.[1]
  return { status: status === undefined ? undefined : Number(status), text: text() }
}

export function get(target: Target, path: string, { head }: Form, more: readonly string[] = []) {
  return exchange(target, [`GET ${path} HTTP/1.1`, ...head, ...more, 'Connection: close'], false)
}

export function upgrade(target: Target, path: string, { head }: Form, more: readonly string[] = []) {
  return exchange(target, [`GET ${path} HTTP/1.1`, ...head, ...more, ...UPGRADE], true)
}

/** A page can make a browser send this to any port: the body is in its hands. */
export function post(target: Target, { head }: Form, body: string, path = '/') {
  const type = ['Content-Type: text/plain', `Content-Length: ${body.length}`]
  return exchange(target, [`POST ${path} HTTP/1.1`, ...head, ...type, 'Connection: close', '', body], false)
}
