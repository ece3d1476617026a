import type { User, Users } from './users.ts'

/** Persistent sessions of one user; all clients without a user name together count as one. */
const MAX_SESSIONS = 50

/** Ownership of client ids: a user can neither disconnect the clients of another user nor take over their sessions. */
export class ClientIds {
  /** Client ids that are connected or have a stored session; user undefined: a client without a user name. */
  readonly #inUse = new Map<string, { user: string | undefined; clients: number; stored: boolean }>()
  readonly #stored = new Map<string | undefined, number>()
  #users: Users

  constructor(users: Users) {
    this.#users = users
  }

  /** Replaces the users. */
  reload(users: Users): void {
    this.#users = users
  }

  /** The reason to reject the id for this user; undefined if it is accepted. */
  rejection(id: string, user: User | undefined, clean: boolean): string | undefined {
    const owner = this.#ownerOf(id)
    const own = user !== undefined && (owner === user.name || listsId(user, id))
    const other = owner ?? this.#listedBy(id)
    if (!own && other !== undefined) return `belongs to user ${other}`
    const current = this.#inUse.get(id)
    if (current && current.user !== user?.name) return 'is in use by another user'
    const stored = this.#stored.get(user?.name) ?? 0
    if (!clean && !current?.stored && stored >= MAX_SESSIONS) return 'exceeds the number of stored sessions'
    return undefined
  }

  /** A client is accepted. */
  connected(id: string, user: User | undefined, clean: boolean): void {
    const entry = this.#inUse.get(id) ?? { user: user?.name, clients: 0, stored: false }
    if (entry.stored === clean) this.#count(entry.user, clean ? -1 : 1)
    entry.stored = !clean
    entry.clients++
    this.#inUse.set(id, entry)
  }

  /** Its connection has ended. */
  disconnected(id: string): void {
    const entry = this.#inUse.get(id)
    if (entry && --entry.clients <= 0 && !entry.stored) this.#inUse.delete(id)
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

  #count(user: string | undefined, by: number): void {
    this.#stored.set(user, (this.#stored.get(user) ?? 0) + by)
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

function listsId({ clientIds, sessions }: User, id: string): boolean {
  return sessions.has(id) || matchesPattern(clientIds, id)
}

function matchesPattern(patterns: readonly string[], id: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : pattern === id,
  )
}
