import { z } from 'zod'
import { bareHost } from '#bus/bare-host.ts'

/** One TURN server over one transport. */
export interface TurnServer {
  host: string
  port: number
  transport: 'udp' | 'tcp' | 'tls'
  username: string
  credential: string
}

/** The servers that a session may use, best first. */
export interface IceServers {
  stun: { host: string; port: number }[]
  turn: TurnServer[]
}

/** Each server costs a socket and a DNS lookup until one has answered. */
const MAX_STUN = 2
const MAX_TURN = 6

const urls = z.union([z.string(), z.array(z.unknown())])
const Server = z.looseObject({
  urls: urls.optional(),
  /** Spelling of older browsers. */
  url: urls.optional(),
  username: z.unknown().optional(),
  credential: z.unknown().optional(),
})

const URL_FORM =
  /^(stun|turns?):(\[[0-9a-f:.%]{2,64}\]|[^\s:/?#@[\]]{1,253})(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i

/**
 * Chooses from `ice_servers` in any shape of docs/relay-protocol.md: a list, `{iceServers: list or server}`, one server,
 * nothing (`null`, missing, `{}`: `fallback` is used), or `[]` (host candidates only). Malformed servers are skipped. TURN
 * over UDP precedes TCP, and that TLS; a second server over UDP follows the first one's TLS, since a firewall that blocks
 * UDP to one blocks it to the other.
 */
export function chooseIceServers(given: unknown, fallback: readonly unknown[]): IceServers {
  const servers = toList(given) ?? fallback
  const entries = servers.flatMap(toEntries)
  const withAccount = entries.filter(({ username, credential }) => username && credential)
  const over = (...transports: TurnServer['transport'][]) =>
    transports.map((transport) =>
      withAccount.filter((entry) => entry.scheme !== 'stun' && entry.transport === transport),
    )
  return {
    stun: distinct(
      entries.filter(({ scheme }) => scheme === 'stun').map(({ host, port }) => ({ host, port })),
    ).slice(0, MAX_STUN),
    turn: distinct(interleave(over('udp', 'tcp', 'tls')).map(({ scheme: _, ...server }) => server)).slice(
      0,
      MAX_TURN,
    ),
  }
}

/** Whether a request names servers itself, if only none. */
export function namesServers(given: unknown): boolean {
  return toList(given) !== undefined
}

/** The first of each list, then the second of each, and so on. */
function interleave<T>(lists: T[][]): T[] {
  const longest = Math.max(...lists.map(({ length }) => length))
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat()
}

function distinct<T extends object>(items: T[]): T[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()]
}

/** The servers as a list; undefined when none are given. */
function toList(given: unknown): unknown[] | undefined {
  if (Array.isArray(given)) return given
  if (typeof given !== 'object' || given === null) return undefined
  if ('iceServers' in given) return toList(given.iceServers)
  return Object.keys(given).length === 0 ? undefined : [given]
}

interface Entry extends TurnServer {
  scheme: 'stun' | 'turn'
}

function toEntries(server: unknown): Entry[] {
  const parsed = Server.safeParse(typeof server === 'string' ? { urls: server } : server)
  if (!parsed.success) return []
  const account = { username: text(parsed.data.username), credential: text(parsed.data.credential) }
  return [parsed.data.urls ?? parsed.data.url ?? []].flat().flatMap((url) => {
    const address = typeof url === 'string' ? parseUrl(url) : undefined
    return address ? [{ ...address, ...account }] : []
  })
}

/** RFC 7064 §3.1, RFC 7065 §3.1. STUN over TCP and TURN over DTLS are not supported. */
function parseUrl(url: string): Omit<Entry, 'username' | 'credential'> | undefined {
  const [, scheme = '', host = '', port, transport] = URL_FORM.exec(url.trim().toLowerCase()) ?? []
  const number = Number(port ?? (scheme === 'turns' ? 5349 : 3478))
  if (!scheme || number < 1 || number > 65_535) return undefined
  const at = { host: bareHost(host), port: number }
  if (scheme === 'stun') return transport === 'tcp' ? undefined : { ...at, scheme, transport: 'udp' }
  if (scheme === 'turns') return transport === 'udp' ? undefined : { ...at, scheme: 'turn', transport: 'tls' }
  return { ...at, scheme: 'turn', transport: transport === 'tcp' ? 'tcp' : 'udp' }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
