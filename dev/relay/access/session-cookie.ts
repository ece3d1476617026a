import { createHmac, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import type { Logger } from '#lib/logger.ts'
import { ensureSecretFile } from '#lib/password-file.ts'
import type { Request, Role, Tokens } from './role.ts'

const LIFETIME_S = 30 * 86_400
/** A browser sends at most one cookie of this name for each path. */
const MAX_COOKIES = 4
const SECRET_BYTES = 32

/** Random bytes of this installation. */
export function cookieSecretPath(dataDir: string): string {
  return join(dataDir, 'relay', 'cookie.secret')
}

/** The secret for the cookies of this installation; without a writable folder one that ends with the process. */
export function cookieSecret(dataDir: string, log: Logger): string {
  try {
    return ensureSecretFile(cookieSecretPath(dataDir), SECRET_BYTES)
  } catch (err) {
    log.warn({ err }, 'no secret for cookies on the disk: logins end with this process')
    return temporaryCookieSecret()
  }
}

export function temporaryCookieSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url')
}

/**
 * The login of a browser: role and end in a cookie, signed with a key made of the role's token and a secret of the installation,
 * so that it outlives a restart of the relay, ends when the token changes, and is of no use to guess the token.
 */
export class SessionCookie {
  readonly #keys: ReadonlyMap<string, Buffer>

  constructor(tokens: Tokens, secret: string) {
    this.#keys = new Map(
      Object.entries(tokens).flatMap(([role, token]) =>
        token === undefined ? [] : [[role, scryptSync(token, `${secret} ${role}`, 32)] as const],
      ),
    )
  }

  /** Value of `Set-Cookie`. */
  issue(role: Role, request: Request): string {
    const claim = `${role}.${nowS() + LIFETIME_S}`
    return `${nameFor(request)}=${claim}.${this.#sign(role, claim)}; Max-Age=${LIFETIME_S}; ${attributes(request)}`
  }

  /** Value of `Set-Cookie` that deletes it. */
  expire(request: Request): string {
    return `${nameFor(request)}=; Max-Age=0; ${attributes(request)}`
  }

  /** The role of a request with a valid cookie. */
  roleOf(request: Request): Role | undefined {
    const prefix = `${nameFor(request)}=`
    const own = (request.headers.cookie ?? '')
      .split(';', 100)
      .map((one) => one.trim())
      .filter((one) => one.startsWith(prefix))
      .slice(0, MAX_COOKIES)
    for (const one of own) {
      const role = this.#verify(one.slice(prefix.length))
      if (role) return role
    }
    return undefined
  }

  #verify(value: string): Role | undefined {
    const [, claim = '', role = '', end = '', signature = ''] =
      /^((drive|watch)\.(\d{1,12}))\.([\w-]{43})$/.exec(value) ?? []
    if (!this.#keys.has(role) || Number(end) <= nowS()) return undefined
    const [given, expected] = [Buffer.from(signature), Buffer.from(this.#sign(role, claim))]
    const isValid = given.length === expected.length && timingSafeEqual(given, expected)
    return isValid ? (role as Role) : undefined
  }

  #sign(role: string, claim: string): string {
    return createHmac('sha256', this.#keys.get(role) ?? '')
      .update(claim)
      .digest('base64url')
  }
}

/**
 * Cookies are shared by all ports of a host, so the name has the port. Browsers accept `__Host-` over HTTPS alone, so that a
 * page without HTTPS cannot replace it (RFC 6265bis §4.1.3.2).
 */
function nameFor(request: Request): string {
  return `${isSecure(request) ? '__Host-' : ''}wimz-${request.socket.localPort ?? 0}`
}

function attributes(request: Request): string {
  return `Path=/; HttpOnly; SameSite=Strict${isSecure(request) ? '; Secure' : ''}`
}

const isSecure = ({ socket }: Request) => (socket as TLSSocket).encrypted === true

const nowS = () => Math.floor(Date.now() / 1_000)
