import { z } from 'zod'

/** One TURN server over one transport. */
export interface TurnServer {
  host: string
  port: number
  transport: 'udp' | 'tcp' | 'tls'
  username: string
  credential: string
}

/** The servers that a session may ask, best first. */
export interface IceServers {
  stun: { host: string; port: number }[]
  turn: TurnServer[]
}

/** More would not help: each costs a socket and a look-up for as long as nothing has answered. */
const MAX_STUN = 2
const MAX_TURN = 6

const urls = z.union([z.string(), z.array(z.unknown())])
const Server = z.looseObject({
  urls: urls.optional(),
  /** The spelling of older browsers. */
  url: urls.optional(),
  username: z.unknown().optional(),
  credential: z.unknown().optional(),
})

const URL_FORM = /^(stun|turns?):(\[[0-9a-f:.%]+\]|[^\s:/?#@[\]]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i

/**
 * Chooses from `ice_servers` in any of the shapes of API_CONTRACT 2.1: a list, `{iceServers: list or server}`, one
 * server, nothing (`null`, missing, `{}`: `fallback` is used), or `[]` (host candidates only). Malformed servers are
 * skipped. TURN over UDP is preferred to TCP, and that to TLS; a second server over UDP comes after the first one's TLS,
 * for what keeps UDP from the one keeps it from the other.
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
    turn: distinct(inTurns(over('udp', 'tcp', 'tls')).map(({ scheme: _, ...server }) => server)).slice(
      0,
      MAX_TURN,
    ),
  }
}

/** The first of each list, then the second of each, and so on. */
function inTurns<T>(lists: T[][]): T[] {
  const longest = Math.max(...lists.map(({ length }) => length))
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat()
}

function distinct<T extends object>(things: T[]): T[] {
  return [...new Map(things.map((thing) => [JSON.stringify(thing), thing])).values()]
}

/** The servers as a list; undefined when nothing was said about them. */
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
    const way = typeof url === 'string' ? toWay(url) : undefined
    return way ? [{ ...way, ...account }] : []
  })
}

/** RFC 7064 §3.1, RFC 7065 §3.1. STUN over TCP and TURN over DTLS are of no use to us. */
function toWay(url: string): Omit<Entry, 'username' | 'credential'> | undefined {
  const [, scheme = '', host = '', port, transport] = URL_FORM.exec(url.trim().toLowerCase()) ?? []
  const number = Number(port ?? (scheme === 'turns' ? 5349 : 3478))
  if (!scheme || number < 1 || number > 65_535) return undefined
  const at = { host: host.replace(/^\[|\]$/g, ''), port: number }
  if (scheme === 'stun') return transport === 'tcp' ? undefined : { ...at, scheme, transport: 'udp' }
  if (scheme === 'turns') return transport === 'udp' ? undefined : { ...at, scheme: 'turn', transport: 'tls' }
  return { ...at, scheme: 'turn', transport: transport === 'tcp' ? 'tcp' : 'udp' }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
