import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

/**
 * Whether this request may open `/ws/app`. A browser says where the page came from: another site's page is turned away,
 * and so is a foreign name that resolves to us (DNS rebinding).
 */
export function mayOpenApp(
  request: IncomingMessage,
  query: URLSearchParams,
  token: string | undefined,
): boolean {
  if (token !== undefined && !sameText(query.get('token') ?? '', token)) return false
  const { origin, host = '' } = request.headers
  if (origin === undefined) return true // no browser
  const page = URL.parse(origin)
  return page !== null && page.host === host && isOurName(page.hostname)
}

/** Names that nobody on the internet can make resolve to us: those of one label, of mDNS, and plain addresses. */
function isOurName(name: string): boolean {
  return !name.includes('.') || name.endsWith('.local') || isIP(name.replace(/^\[|\]$/g, '')) !== 0
}

function sameText(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
