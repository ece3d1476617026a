import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { isLoopback, plainAddress } from '#lib/loopback.ts'
import type { Answer } from '../answer.ts'

/** Whether a request came over HTTPS, or from this machine. */
export function isPrivate({ socket }: Pick<IncomingMessage, 'socket'>): boolean {
  return (socket as TLSSocket).encrypted === true || isLoopback(plainAddress(socket.remoteAddress))
}

/** Sends a request that came over HTTP to the same address over HTTPS; rejects what a redirect cannot repeat. */
export function toHttps({ method, url = '/', headers }: IncomingMessage): Answer {
  const host = URL.parse(`https://${headers.host ?? ''}`)?.host
  const location = URL.parse(url.startsWith('/') ? `https://${host}${url}` : '')?.href
  const body = `HTTPS only (local_relay.https): ${location ?? 'https://'}\n`
  const isRepeatable = method === 'GET' || method === 'HEAD'
  if (host === undefined || location === undefined || !isRepeatable)
    return { status: 403, type: 'text/plain', body }
  // not 308: local_relay.https may be switched off again
  return { status: 307, type: 'text/plain', body, headers: { Location: location } }
}
