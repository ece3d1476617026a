/** The room of access to the relay: tokens, the login cookie, and the bound of login attempts. Only access.ts is for others. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { LoginThrottle, networkOf } from '#lib/http/login-throttle.ts'
import type { Logger } from '#lib/logger.ts'
import { plainAddress } from '#lib/loopback.ts'
import type { Request, Role, Tokens } from './role.ts'
import { cookieSecret, SessionCookie, temporaryCookieSecret } from './session-cookie.ts'

/** Result of a login with a token: a role and its cookie, or why it is rejected. */
export type Login =
  | { role: Role; cookie: string }
  | { role?: undefined; problem: 'wrong token' | 'too many attempts'; retryAfterMs: number }

/** Addresses whose last wrong token is remembered. */
const MAX_ADDRESSES = 1_000

/** The one place that decides what a client may do. */
export class Access {
  readonly #tokens: Tokens
  readonly #cookie: SessionCookie
  readonly #throttle: LoginThrottle
  /** Digest of the last wrong token by address: a client that repeats it guesses nothing. */
  readonly #lastWrong = new Map<string, string>()

  /** `secret`: for the cookies; by default one of this process. `now` in milliseconds, monotonic. */
  constructor(tokens: Tokens, { secret = temporaryCookieSecret(), now = () => performance.now() } = {}) {
    this.#tokens = tokens
    this.#cookie = new SessionCookie(tokens, secret)
    this.#throttle = new LoginThrottle(now)
  }

  /** With the secret for cookies in `dataDir`, which a relay without tokens does not need. */
  static open(tokens: Tokens, dataDir: string, log: Logger): Access {
    return tokens.drive === undefined
      ? new Access(tokens)
      : new Access(tokens, { secret: cookieSecret(dataDir, log) })
  }

  /** Whether no token is needed. */
  get isOpen(): boolean {
    return this.#tokens.drive === undefined
  }

  /**
   * The role of a request, by its token (`?token=` or `Authorization: Bearer`), else by its cookie; undefined when it is
   * rejected. `cookie: false` for pages of other sites.
   */
  roleOf(request: Request, query: URLSearchParams, { cookie = true } = {}): Role | undefined {
    if (this.isOpen) return 'drive'
    const [, bearer] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? []
    const token = query.get('token') ?? bearer
    const byToken = token === undefined ? undefined : this.#check(request, token)
    return byToken ?? (cookie ? this.#cookie.roleOf(request) : undefined)
  }

  /** The cookie of a request with its time renewed; undefined without a valid one. */
  renew(request: Request): string | undefined {
    const role = this.isOpen ? undefined : this.#cookie.roleOf(request)
    return role && this.#cookie.issue(role, request)
  }

  /** Logs in with a token: bounded for each address. */
  login(request: Request, token: string): Login {
    const role = this.isOpen ? 'drive' : this.#check(request, token)
    if (role) return { role, cookie: this.#cookie.issue(role, request) }
    const retryAfterMs = this.#throttle.delay(addressOf(request))
    return { problem: retryAfterMs > 0 ? 'too many attempts' : 'wrong token', retryAfterMs }
  }

  /** Deletes the cookie. */
  logout(request: Request): string {
    return this.#cookie.expire(request)
  }

  #check(request: Request, given: string): Role | undefined {
    const address = addressOf(request)
    if (this.#throttle.delay(address) > 0) return undefined
    const role = (['drive', 'watch'] as const).find((one) => isEqual(given, this.#tokens[one]))
    // a viewer with the watch token must not guess the other one for as long as it likes
    if (role === 'drive') {
      this.#throttle.succeeded(address)
      this.#lastWrong.delete(address)
    } else if (!role) this.#failed(address, given)
    return role
  }

  #failed(address: string, given: string): void {
    const digest = createHash('sha256').update(given).digest('base64')
    if (this.#lastWrong.get(address) === digest) return
    this.#lastWrong.delete(address)
    this.#lastWrong.set(address, digest)
    const [oldest] = this.#lastWrong.keys()
    if (this.#lastWrong.size > MAX_ADDRESSES && oldest !== undefined) this.#lastWrong.delete(oldest)
    this.#throttle.failed(address)
  }
}

function addressOf({ socket }: Request): string {
  return networkOf(plainAddress(socket.remoteAddress))
}

function isEqual(given: string, expected: string | undefined): boolean {
  if (expected === undefined) return false
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
