import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Whether a request carries the relay's token, as `?token=` or `Authorization: Bearer`; true where none is set. */
export function hasToken(
  { headers }: Pick<IncomingMessage, 'headers'>,
  query: URLSearchParams,
  token: string | undefined,
): boolean {
  if (token === undefined) return true
  const [, bearer] = /^Bearer (.+)$/i.exec(headers.authorization ?? '') ?? []
  return isEqual(query.get('token') ?? bearer ?? '', token)
}

function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
