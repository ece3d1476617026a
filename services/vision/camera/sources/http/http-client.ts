import { createHash } from 'node:crypto'
import { lookup } from 'node:dns'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIPv6 } from 'node:net'
import { request as requestHttp } from '#lib/http/node-http.ts'
import { authorities, reasonOf, type TlsSettings } from '#lib/media/tls-settings.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'

const TIMEOUT_MS = 20_000
const MAX_REDIRECTS = 5

/**
 * Requests to one camera over HTTP. Every request, of a redirect or of a playlist too, goes to the host of the source or
 * not at all, at the address that the host had first; certificates are verified. So no response makes the robot contact
 * another machine of the network.
 */
export class HttpClient {
  readonly #source: URL
  readonly #tls: TlsSettings
  readonly #signal: AbortSignal
  #ca: string[] | undefined
  #address: { address: string; family: number } | undefined
  /** What the camera asked for; credentials are never sent before. */
  #scheme: 'none' | 'basic' | Map<string, string> = 'none'
  #nonceCount = 0

  constructor(source: string, tls: TlsSettings, signal: AbortSignal) {
    this.#source = new URL(source)
    this.#tls = tls
    this.#signal = signal
  }

  /** The response to a GET, redirects followed. Rejects with {@link UnavailableError}. */
  async get(
    url: URL,
    headers: Record<string, string> = {},
  ): Promise<{ response: IncomingMessage; url: URL }> {
    let target = url
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const response = await this.#authorized(target, headers)
      const { statusCode = 0, headers: got } = response
      if (statusCode >= 300 && statusCode < 400 && got.location) {
        response.destroy()
        const next = URL.parse(got.location, target)
        if (!next) throw new UnavailableError('cannot open: the camera redirects to an invalid address')
        target = next
        continue
      }
      if (statusCode === 200 || statusCode === 206) return { response, url: target }
      response.destroy()
      throw new UnavailableError(`cannot open: HTTP ${statusCode}`)
    }
    throw new UnavailableError('cannot open: too many redirects')
  }

  /** The URL with the address of the camera instead of its name, for a client that would look it up again. */
  pinned(url: URL): URL {
    const { address } = this.#address ?? {}
    const pinned = new URL(url)
    if (address !== undefined) pinned.hostname = isIPv6(address) ? `[${address}]` : address
    return pinned
  }

  /** Throws {@link UnavailableError} for another host or protocol. The error does not name it: it reaches apps. */
  check({ protocol, hostname }: URL): void {
    if ((protocol === 'http:' || protocol === 'https:') && hostname === this.#source.hostname) return
    throw new UnavailableError('cannot open: the camera refers to another host')
  }

  async #authorized(url: URL, headers: Record<string, string>): Promise<IncomingMessage> {
    const first = await this.#request(url, { ...headers, ...this.#authorization(url) })
    const challenge = first.headers['www-authenticate']
    if (first.statusCode !== 401 || !challenge || this.#source.username === '') return first
    first.destroy()
    this.#scheme = parseChallenge(challenge) ?? 'basic'
    return await this.#request(url, { ...headers, ...this.#authorization(url) })
  }

  async #request(url: URL, headers: Record<string, string>): Promise<IncomingMessage> {
    this.check(url)
    const secure = url.protocol === 'https:'
    if (secure) this.#ca ??= await authorities(this.#tls)
    const options = {
      headers: { 'user-agent': 'wimz', accept: '*/*', ...headers },
      agent: false,
      signal: this.#signal,
      timeout: TIMEOUT_MS,
      lookup: this.#lookup,
      insecureHTTPParser: true,
      ...(secure && { ca: this.#ca, rejectUnauthorized: !this.#tls.tls_insecure }),
    } as const
    const bare = new URL(url)
    bare.username = ''
    bare.password = ''
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const outgoing = (secure ? requestHttps : requestHttp)(bare, options, resolve)
    outgoing.on('error', (err) => reject(new UnavailableError(`cannot open: ${reasonOf(err)}`)))
    outgoing.on('timeout', () => outgoing.destroy(new Error('timed out')))
    // without an error where the answer is 101 Switching Protocols
    outgoing.on('close', () => reject(new UnavailableError('cannot open: not answered with HTTP')))
    outgoing.end()
    const response = await promise
    response.on('error', () => {}) // ends the iteration, which reports it
    return response
  }

  /** The address of the first lookup, for all requests: a name that changes its address reaches no other machine. */
  readonly #lookup = (
    hostname: string,
    options: { all?: boolean | undefined },
    done: (err: NodeJS.ErrnoException | null, address: never, family?: number) => void,
  ): void => {
    const answer = (found: { address: string; family: number }) => {
      if (options.all) done(null, [found] as never)
      else done(null, found.address as never, found.family)
    }
    if (this.#address) {
      answer(this.#address)
      return
    }
    lookup(hostname, (err, address, family) => {
      if (err) return done(err, undefined as never)
      this.#address = { address, family }
      answer(this.#address)
    })
  }

  #authorization(url: URL): { authorization?: string } {
    const [user, password] = [this.#source.username, this.#source.password].map(decodeURIComponent)
    const scheme = this.#scheme
    if (!user || scheme === 'none') return {}
    if (scheme === 'basic')
      return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
    const count = (++this.#nonceCount).toString(16).padStart(8, '0')
    return { authorization: digest({ user, password: password ?? '', url, challenge: scheme, count }) }
  }
}

/** The first bytes of a response, which stay in it; empty where there are none. */
export async function headOf(response: IncomingMessage): Promise<Buffer> {
  if (!response.readableEnded && response.readableLength === 0) {
    await Promise.race([once(response, 'readable'), once(response, 'end')])
  }
  const head: Buffer | null = response.read()
  if (head) response.unshift(head)
  return head ?? Buffer.alloc(0)
}

/** The parameters of a Digest challenge; undefined for another scheme. */
function parseChallenge(header: string): Map<string, string> | undefined {
  const [, parameters] = /^\s*digest\s+(.*)$/is.exec(header) ?? []
  if (parameters === undefined) return undefined
  const pairs = parameters.matchAll(/(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))/g)
  return new Map([...pairs].map(([, key = '', quoted, plain]) => [key.toLowerCase(), quoted ?? plain ?? '']))
}

/** RFC 7616 §3.4, with `qop=auth` where the camera offers it. */
function digest(given: {
  user: string
  password: string
  url: URL
  challenge: ReadonlyMap<string, string>
  count: string
}): string {
  const { user, password, url, challenge, count } = given
  const algorithm = challenge.get('algorithm') ?? 'MD5'
  const hash = (text: string) =>
    createHash(/^sha-256/i.test(algorithm) ? 'sha256' : 'md5')
      .update(text)
      .digest('hex')
  const [realm = '', nonce = ''] = [challenge.get('realm'), challenge.get('nonce')]
  const uri = url.pathname + url.search
  const [secret, request] = [hash(`${user}:${realm}:${password}`), hash(`GET:${uri}`)]
  const cnonce = 'wimz'
  const qop = challenge.get('qop')?.includes('auth') ? 'auth' : undefined
  const middle = qop ? `${nonce}:${count}:${cnonce}:${qop}` : nonce
  const fields = [
    `username="${user.replaceAll('"', '\\"')}"`,
    `realm="${realm}"`,
    `nonce="${nonce}"`,
    `uri="${uri}"`,
    `response="${hash(`${secret}:${middle}:${request}`)}"`,
    `algorithm=${algorithm}`,
    ...(qop ? [`qop=${qop}`, `nc=${count}`, `cnonce="${cnonce}"`] : []),
    ...(challenge.has('opaque') ? [`opaque="${challenge.get('opaque')}"`] : []),
  ]
  return `Digest ${fields.join(', ')}`
}
