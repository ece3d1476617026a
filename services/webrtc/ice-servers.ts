import { z } from 'zod'

/** The STUN and the TURN server that a session uses: werift takes one of each (werift utils.ts, parseIceServers). */
export interface IceServers {
  stun: string | undefined
  turn: { url: string; username: string; credential: string } | undefined
}

const urls = z.union([z.string(), z.array(z.unknown())])
const Server = z.looseObject({
  urls: urls.optional(),
  /** The spelling of older browsers. */
  url: urls.optional(),
  username: z.unknown().optional(),
  credential: z.unknown().optional(),
})

const URL_FORM = /^(stun|turns?):(\[[0-9a-f:.%]+\]|[^\s:/?#@[\]]+)(:\d{1,5})?(\?transport=(udp|tcp))?$/i

/**
 * Chooses from `ice_servers` in any of the shapes of API_CONTRACT 2.1: a list, `{iceServers: list or server}`, one
 * server, nothing (`null`, missing, `{}`: `fallback` is used), or `[]` (host candidates only). Malformed servers are
 * skipped. TURN over UDP is preferred to TCP, and that to TLS.
 */
export function chooseIceServers(given: unknown, fallback: readonly string[]): IceServers {
  const servers = toList(given) ?? fallback.map((url) => ({ urls: url }))
  const offered = servers.flatMap(toEntries)
  const turns = offered.filter(({ rank }) => rank > 0).sort((a, b) => a.rank - b.rank)
  const turn = turns.find(({ username, credential }) => username && credential)
  return {
    stun: offered.find(({ rank }) => rank === 0)?.url,
    turn: turn && { url: turn.url, username: turn.username, credential: turn.credential },
  }
}

/** The servers as a list; undefined when nothing was said about them. */
function toList(given: unknown): unknown[] | undefined {
  if (Array.isArray(given)) return given
  if (typeof given !== 'object' || given === null) return undefined
  if ('iceServers' in given) return toList(given.iceServers)
  return Object.keys(given).length === 0 ? undefined : [given]
}

interface Entry {
  url: string
  /** 0 STUN, then the order in which TURN servers are preferred. */
  rank: number
  username: string
  credential: string
}

function toEntries(server: unknown): Entry[] {
  const parsed = Server.safeParse(typeof server === 'string' ? { urls: server } : server)
  if (!parsed.success) return []
  const { username, credential } = parsed.data
  return [parsed.data.urls ?? parsed.data.url ?? []].flat().flatMap((url) => {
    const match = typeof url === 'string' ? URL_FORM.exec(url.trim()) : null
    if (!match) return []
    const rank = rankOf((match[1] ?? '').toLowerCase(), match[5]?.toLowerCase())
    return rank === undefined
      ? []
      : [{ url: match[0], rank, username: text(username), credential: text(credential) }]
  })
}

function rankOf(scheme: string, transport: string | undefined): number | undefined {
  if (scheme === 'stun') return transport === 'tcp' ? undefined : 0
  if (scheme === 'turn') return transport === 'tcp' ? 2 : 1
  return transport === 'udp' ? undefined : 3 // there is no TURN over DTLS here
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
