/**
 * The room of the WHEP endpoint: players of other software (go2rtc, MediaMTX, browsers) watch the robot with one HTTP request.
 * draft-ietf-wish-whep, which shares most of its text with WHIP, RFC 9725; the sections are those of the latter.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type OriginRule, OWN_SITE_HEADERS, rejectedOrigin } from '#lib/http/request-origin.ts'
import { TokenBucket } from '#lib/token-bucket.ts'
import type { Access } from '../access/access.ts'
import type { Role } from '../access/role.ts'
import type { Hub } from '../hub.ts'
import { iceServerLinks } from './ice-server-links.ts'
import { Player } from './player.ts'
import { Problem, sendProblem } from './problem.ts'

const WHEP_PATH = '/whep'

const SDP = 'application/sdp'
const FRAGMENT = 'application/trickle-ice-sdpfrag'
/** Browsers offer 2 to 10 KB. */
const MAX_BODY_BYTES = 64 * 1024
const BODY_TIMEOUT_MS = 10_000
/** Offers of all players: at once, and a second. */
const OFFER_BURST = 100
const OFFER_RATE = 5

const METHODS = {
  endpoint: 'GET, HEAD, POST, OPTIONS',
  session: 'GET, HEAD, PATCH, DELETE, OPTIONS',
} as const

/** For pages of other sites, which have to send the token; no cookie counts for them (`*`). RFC 9725 §4.2. */
const CORS_HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Location, ETag, Link, Accept-Patch, Retry-After',
}
const PREFLIGHT_HEADERS = {
  'Access-Control-Allow-Methods': 'GET, POST, PATCH, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, If-Match',
  'Access-Control-Max-Age': '600',
}

type Headers = Record<string, string | string[]>

interface Reply {
  status: number
  headers?: Headers
  body?: string
}

type WhepAccess = { access: Access } & OriginRule

/** Serves {@link WHEP_PATH} and the sessions below it. */
export class WhepEndpoint {
  readonly #hub: Hub
  readonly #access: WhepAccess
  readonly #offers = new TokenBucket(OFFER_BURST, OFFER_RATE)

  constructor(hub: Hub, access: WhepAccess) {
    this.#hub = hub
    this.#access = access
  }

  /** False when the path is another one's. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    const url = URL.parse(request.url ?? '/', 'http://relay')
    if (url?.pathname !== WHEP_PATH && !url?.pathname.startsWith(`${WHEP_PATH}/`)) return false
    for (const [name, value] of Object.entries({ ...OWN_SITE_HEADERS, 'Cache-Control': 'no-store' }))
      response.setHeader(name, value)
    this.#handle(request, response, url).then(
      ({ status, headers = {}, body = '' }) => {
        response.writeHead(status, {
          ...headers,
          ...(status === 204 ? {} : { 'Content-Length': Buffer.byteLength(body) }),
        })
        response.end(body)
      },
      (err: unknown) => {
        // the rest of a body that is not read
        if (!request.complete) response.setHeader('Connection', 'close')
        if (err instanceof Problem) return sendProblem(response, err)
        this.#hub.options.log.error({ err }, 'WHEP request failed')
        sendProblem(response, new Problem(500, 'internal error: see the log of the relay'))
      },
    )
    return true
  }

  async #handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<Reply> {
    const { pathname, searchParams: query } = url
    const id = pathname === WHEP_PATH ? undefined : pathname.slice(WHEP_PATH.length + 1)
    const methods = id === undefined ? METHODS.endpoint : METHODS.session
    const { method = '' } = request
    const isForeign = this.#checkOrigin(request, response)
    if (method === 'OPTIONS')
      return { status: 200, headers: { ...PREFLIGHT_HEADERS, Allow: methods, 'Accept-Post': SDP } }
    const role = this.#access.access.roleOf(request, query, { cookie: !isForeign })
    if (!role)
      throw new Problem(
        401,
        'the token of the relay is missing or wrong: send Authorization: Bearer <local_relay.token>',
        {
          'WWW-Authenticate': 'Bearer realm="local relay"',
        },
      )
    if (!methods.split(', ').includes(method))
      throw new Problem(405, `use one of ${methods}`, { Allow: methods })
    // RFC 9725 §4.1: no representation
    if (id === undefined)
      return method === 'POST' ? await this.#post(request, response, { query, role }) : { status: 204 }
    const player = this.#hub.players.get(id)
    if (!(player instanceof Player)) throw new Problem(404, 'no such session: it has ended; send a new offer')
    if (method === 'PATCH') return await this.#patch(request, player)
    if (method === 'DELETE') player.end('the player left')
    return { status: method === 'DELETE' ? 200 : 204 }
  }

  /**
   * Returns whether a page of another site sent the request, which needs the token; without one in the config, the same pages as
   * for apps are accepted.
   */
  #checkOrigin(request: IncomingMessage, response: ServerResponse): boolean {
    const rejected = rejectedOrigin(request, this.#access)
    if (rejected && this.#access.access.isOpen)
      throw new Problem(
        403,
        `${rejected}: set local_relay.token, and send it, to watch from pages of other sites`,
      )
    if (request.headers.origin !== undefined)
      for (const [name, value] of Object.entries(CORS_HEADERS)) response.setHeader(name, value)
    return rejected !== undefined
  }

  /** RFC 9725 §4.2. */
  async #post(
    request: IncomingMessage,
    response: ServerResponse,
    { query, role }: { query: URLSearchParams; role: Role },
  ): Promise<Reply> {
    checkType(request, SDP, { 'Accept-Post': SDP })
    const sdp = await readBody(request)
    const hub = this.#hub
    if (!this.#offers.take()) throw new Problem(429, 'too many offers', { 'Retry-After': '1' })
    const deviceId = hub.deviceFor(query.get('device_id') ?? undefined)
    if (deviceId === undefined) throw new Problem(404, 'no robot of this device_id can log in at the relay')
    if (!hub.robots.has(deviceId))
      throw new Problem(503, 'the robot is not connected to the relay', { 'Retry-After': '5' })
    if (hub.isFullFor(role))
      throw new Problem(503, 'the relay has as many viewers as it serves: end another one first', {
        'Retry-After': '10',
      })
    const player = new Player({ deviceId, role }, hub)
    // a session whose URL did not arrive could not be ended
    response.once('close', () => {
      if (!response.writableFinished) player.end('the player disconnected')
    })
    const answer = await player.offer(sdp)
    const { log } = hub.options
    log.info(
      { session_id: player.sessionId, user_agent: request.headers['user-agent']?.slice(0, 80) },
      'WHEP player',
    )
    const links = iceServerLinks(hub.options.iceServers)
    return {
      status: 201,
      headers: {
        'Content-Type': SDP,
        Location: locationOf(player, query.get('token')),
        ETag: player.etag,
        'Accept-Patch': FRAGMENT,
        ...(links.length > 0 ? { Link: links } : {}),
      },
      body: answer,
    }
  }

  /** RFC 9725 §4.3.2, §4.3.3. */
  async #patch(request: IncomingMessage, player: Player): Promise<Reply> {
    checkType(request, FRAGMENT, { 'Accept-Patch': FRAGMENT })
    const fragment = await player.patch(await readBody(request), request.headers['if-match'])
    if (fragment === undefined) return { status: 204 }
    return { status: 200, headers: { 'Content-Type': FRAGMENT, ETag: player.etag }, body: fragment }
  }
}

/** A player that has the token in its URL sends it with the session's URL as well. */
function locationOf({ sessionId }: Player, token: string | null): string {
  return `${WHEP_PATH}/${sessionId}${token === null ? '' : `?token=${encodeURIComponent(token)}`}`
}

function checkType({ headers }: IncomingMessage, type: string, accepted: Record<string, string>): void {
  const [given = ''] = (headers['content-type'] ?? '').split(';')
  const isEncoded = (headers['content-encoding'] ?? 'identity') !== 'identity'
  if (given.trim().toLowerCase() !== type || isEncoded)
    throw new Problem(415, `the body must be ${type}, without a content encoding`, accepted)
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  const { promise: timeout, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Problem(408, 'the body did not arrive in time')), BODY_TIMEOUT_MS)
  const read = async () => {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > MAX_BODY_BYTES) throw new Problem(413, `the body may have ${MAX_BODY_BYTES} bytes at most`)
      chunks.push(chunk)
    }
  }
  try {
    await Promise.race([read(), timeout])
  } catch (err) {
    // no fault of the relay: an error in the log for each would let any client fill it
    if (request.destroyed && !(err instanceof Problem))
      throw new Problem(400, 'the connection closed before the end of the body')
    throw err
  } finally {
    clearTimeout(timer)
  }
  return Buffer.concat(chunks).toString()
}
