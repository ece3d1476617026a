import { LongTimeout } from '../long-timeout.ts'
import type { User, Users } from './users.ts'

/** Stored sessions of one user without a connection. All clients without a user name together count as one user. */
const MAX_OFFLINE = 50
/** Time without a connection after which a session of a client without a user name is deleted. */
const ANONYMOUS_EXPIRY_MS = 60 * 60_000

/** Session expiry interval of a session that never expires, MQTT 5.0 §3.1.2.11.2. */
const NEVER = 0xffff_ffff

interface Entry {
  /** undefined: a client without a user name. */
  user: string | undefined
  /** Address of the last client. */
  address: string
  clients: number
  /** It has a stored session. */
  stored: boolean
  expiry?: LongTimeout | undefined
}

interface ClientIdsOptions {
  /** Deletes the stored session of a client id. */
  discard(id: string): void
  maxOffline?: number
  expiryMs?: number
}

/** Ownership of client ids: a user can neither disconnect the clients of another user nor take over their sessions. */
export class ClientIds {
  /** Client ids that are connected or have a stored session, in the order in which their last client connected. */
  readonly #inUse = new Map<string, Entry>()
  readonly #discard: (id: string) => void
  readonly #maxOffline: number
  readonly #expiryMs: number
  #users: Users

  constructor(
    users: Users,
    { discard, maxOffline = MAX_OFFLINE, expiryMs = ANONYMOUS_EXPIRY_MS }: ClientIdsOptions,
  ) {
    this.#users = users
    this.#discard = discard
    this.#maxOffline = maxOffline
    this.#expiryMs = expiryMs
  }

  /** Replaces the users. */
  reload(users: Users): void {
    this.#users = users
  }

  /** The reason to reject the id for this user; undefined if it is accepted. */
  rejection(id: string, user: User | undefined): string | undefined {
    const owner = this.#ownerOf(id)
    const own = user !== undefined && (owner === user.name || listsId(user, id))
    const other = owner ?? this.#listedBy(id)
    if (!own && other !== undefined) return `belongs to user ${other}`
    const current = this.#inUse.get(id)
    if (current && current.user !== user?.name) return 'is in use by another user'
    return undefined
  }

  /** A client is accepted. */
  connected(
    id: string,
    { user, address, clean }: { user: User | undefined; address: string; clean: boolean },
  ): void {
    const before = this.#inUse.get(id)
    before?.expiry?.[Symbol.dispose]()
    this.#inUse.delete(id)
    const clients = (before?.clients ?? 0) + 1
    this.#inUse.set(id, { user: user?.name, address, clients, stored: !clean })
  }

  /**
   * Its connection has ended. A new session without a connection displaces an old one, so that no client is locked out.
   * `expirySeconds`: the session expiry interval of MQTT 5, which a DISCONNECT can change; 0 ends the session.
   */
  disconnected(id: string, expirySeconds?: number): void {
    const entry = this.#inUse.get(id)
    if (!entry || --entry.clients > 0) return
    if (expirySeconds !== undefined) entry.stored = expirySeconds > 0
    if (!entry.stored) {
      this.#inUse.delete(id)
      return
    }
    const own =
      expirySeconds === undefined || expirySeconds >= NEVER ? Number.POSITIVE_INFINITY : expirySeconds * 1_000
    const expiryMs = Math.min(own, entry.user === undefined ? this.#expiryMs : Number.POSITIVE_INFINITY)
    if (Number.isFinite(expiryMs)) entry.expiry = new LongTimeout(expiryMs, () => this.#delete(id))
    const offline = [...this.#inUse].filter(
      ([other, { user, stored, clients }]) =>
        user === entry.user && stored && clients <= 0 && !this.#isProvisioned(other, user),
    )
    if (offline.length > this.#maxOffline) this.#delete(oldestOfLargest(offline))
  }

  /** Number of stored sessions whose client is not connected. */
  get offlineSessions(): number {
    let count = 0
    for (const { clients, stored } of this.#inUse.values()) if (stored && clients <= 0) count++
    return count
  }

  /** The user that lists the id in `client_ids` or `sessions`; the pattern `*` alone reserves nothing. */
  #listedBy(id: string): string | undefined {
    return [...this.#users.byName.values()].find(
      (user) =>
        user.sessions.has(id) ||
        matchesPattern(
          user.clientIds.filter((pattern) => pattern !== '*'),
          id,
        ),
    )?.name
  }

  #delete(id: string): void {
    this.#inUse.get(id)?.expiry?.[Symbol.dispose]()
    this.#inUse.delete(id)
    this.#discard(id)
  }

  #isProvisioned(id: string, user: string | undefined): boolean {
    return user !== undefined && (this.#users.byName.get(user)?.sessions.has(id) ?? false)
  }

  /** The longest user name wins: `relay-bridge-inbox` belongs to `relay-bridge`, even if there is a user `relay`. */
  #ownerOf(id: string): string | undefined {
    for (let end = id.length; end > 0; end = id.lastIndexOf('-', end - 1)) {
      const name = id.slice(0, end)
      if (this.#users.byName.has(name)) return name
    }
    return undefined
  }
}

/** The oldest session of the address that has most of them. */
function oldestOfLargest(sessions: readonly [string, Entry][]): string {
  const byAddress = Map.groupBy(sessions, ([, { address }]) => address)
  const [largest = sessions] = [...byAddress.values()].sort((a, b) => b.length - a.length)
  return largest[0]?.[0] ?? ''
}

function listsId({ clientIds, sessions }: User, id: string): boolean {
  return sessions.has(id) || matchesPattern(clientIds, id)
}

function matchesPattern(patterns: readonly string[], id: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : pattern === id,
  )
}
