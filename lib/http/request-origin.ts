import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { bareHost } from '#bus/bare-host.ts'

/** Which browser pages may send requests to a server. Without options: only pages of this very server. */
export interface OriginRule {
  /** Names of this server beyond local ones: a name with a dot that the public DNS resolves. */
  hosts?: readonly string[]
  /** Origins of further pages: `https://dashboard.example`. */
  origins?: readonly string[]
  /** Pages of the same host on another port may send requests, too. */
  anyPort?: boolean
}

/** A suffix of names that the public DNS never resolves (RFC 6762, RFC 6761, RFC 8375, ICANN's .internal). */
const PRIVATE_SUFFIX = /\.(local|localhost|lan|internal|home\.arpa)$/

/** For every answer: no page of another site reads it or shows it in a frame, and no browser takes it for a script. */
export const OWN_SITE_HEADERS: Readonly<Record<string, string>> = {
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

type Rejection = 'foreign origin' | 'foreign host'

/** As browsers write it; a page of an extension or a packaged app may be at `capacitor://localhost`. */
const WEB_ORIGIN = /^https?:\/\/[^/\\@?#%,\s]+$/
const WEB = /^https?:$/
/** Over TLS: a machine on the path may have written a page that came over HTTP. */
const HTTPS = /^https:$/
/** A name or address and a port, nothing else. RFC 9110 §7.2. */
const HOST = /^[^/\\@?#%,\s]+$/

/**
 * Why a request is rejected: it comes from a page of another site, or from a page that reached this server by a public name
 * that was rebound to its address (DNS rebinding). Undefined when it may pass.
 *
 * Browsers always send `Origin` with a WebSocket handshake and with a cross-origin request, but not with a same-origin GET,
 * for which `Host` decides. Other clients send no `Origin`, and may use any name for a WebSocket.
 */
export function rejectedOrigin(
  { headers, socket }: Pick<IncomingMessage, 'headers'> & Partial<Pick<IncomingMessage, 'socket'>>,
  rule: OriginRule = {},
): Rejection | undefined {
  const { origin, host, upgrade } = headers
  if (origin === undefined) {
    if (isPartOfForeignPage(headers)) return 'foreign origin'
    if (upgrade !== undefined || host === undefined) return undefined
    const name = HOST.test(host) ? URL.parse(`http://${host}`)?.hostname : undefined
    return isOwnName(name, rule) ? undefined : 'foreign host'
  }
  if (rule.origins?.includes(origin)) return undefined
  const scheme = (socket as TLSSocket | undefined)?.encrypted ? HTTPS : WEB
  return rejectedPage(origin, { host, scheme }, rule)
}

/**
 * Browsers send no `Origin` for the images, scripts and frames of a page, but say that another site asks for them. A link may
 * lead here.
 */
function isPartOfForeignPage(headers: IncomingMessage['headers']): boolean {
  const isLink = headers['sec-fetch-dest'] === 'document' && headers.upgrade === undefined
  return headers['sec-fetch-site'] === 'cross-site' && !isLink
}

function rejectedPage(
  origin: string,
  { host, scheme }: { host: string | undefined; scheme: RegExp },
  rule: OriginRule,
): Rejection | undefined {
  const page = WEB_ORIGIN.test(origin) ? URL.parse(origin) : null
  const server = URL.parse(`${page?.protocol}//${host}`)
  if (page === null || server === null) return 'foreign origin'
  const isSame = rule.anyPort
    ? page.hostname === server.hostname
    : page.host === server.host && scheme.test(page.protocol)
  if (!isSame) return 'foreign origin'
  return isOwnName(page.hostname, rule) ? undefined : 'foreign host'
}

/** Names that an attacker cannot make resolve to this machine: of one label, private ones, and addresses. */
function isOwnName(name: string | undefined, { hosts = [] }: OriginRule): boolean {
  if (!name) return false
  return (
    !name.includes('.') ||
    PRIVATE_SUFFIX.test(name) ||
    isIP(bareHost(name)) !== 0 ||
    hosts.some((host) => host.toLowerCase() === name)
  )
}
