import type { User, Users } from './users.ts'

/** Sessions that outlive their connection, at most per user; `local` clients together count as one. */
const MOST_SESSIONS = 50

/** Who has which client id: nobody is thrown out, and nobody's session taken over, by another user. */
export class ClientIds {
  /** Users whose client or stored session has the id; undefined as a value is a client without user. */
  readonly #taken = new Map<string, { user: string | undefined; clients: number; stored: boolean }>()
  readonly #stored = new Map<string | undefined, number>()
  #users: Users

  constructor(users: Users) {
    this.#users = users
  }

  /** The users as they are from now on. */
  reload(users: Users): void {
    this.#users = users
  }

  /** Why this user, undefined for none, may not have the id; undefined if it may. */
  refusal(id: string, user: User | undefined, clean: boolean): string | undefined {
    const owner = this.#ownerOf(id)
    const own = user !== undefined && (owner === user.name || namesId(user, id))
    const other = owner ?? this.#namedBy(id)
    if (!own && other !== undefined) return `belongs to user ${other}`
    const there = this.#taken.get(id)
    if (there && there.user !== user?.name) return 'is in use by another user'
    const stored = this.#stored.get(user?.name) ?? 0
    if (!clean && !there?.stored && stored >= MOST_SESSIONS) return 'would be one session too many'
    return undefined
  }

  /** A client is let in. */
  taken(id: string, user: User | undefined, clean: boolean): void {
    const entry = this.#taken.get(id) ?? { user: user?.name, clients: 0, stored: false }
    if (entry.stored === clean) this.#count(entry.user, clean ? -1 : 1)
    entry.stored = !clean
    entry.clients++
    this.#taken.set(id, entry)
  }

  /** Its connection has ended. */
  gone(id: string): void {
    const entry = this.#taken.get(id)
    if (entry && --entry.clients <= 0 && !entry.stored) this.#taken.delete(id)
  }

  /** Sessions that are kept with nobody connected to them. */
  get away(): number {
    let count = 0
    for (const { clients, stored } of this.#taken.values()) if (stored && clients <= 0) count++
    return count
  }

  /** Who lists the id among its own; `*` alone keeps nobody else away. */
  #namedBy(id: string): string | undefined {
    return [...this.#users.byName.values()].find(
      (user) =>
        user.sessions.has(id) ||
        isNamed(
          user.clientIds.filter((pattern) => pattern !== '*'),
          id,
        ),
    )?.name
  }

  #count(user: string | undefined, by: number): void {
    this.#stored.set(user, (this.#stored.get(user) ?? 0) + by)
  }

  /** `relay-bridge-inbox` is of `relay-bridge`, also when there is a user `relay`. */
  #ownerOf(id: string): string | undefined {
    for (let end = id.length; end > 0; end = id.lastIndexOf('-', end - 1)) {
      const name = id.slice(0, end)
      if (this.#users.byName.has(name)) return name
    }
    return undefined
  }
}

function namesId({ clientIds, sessions }: User, id: string): boolean {
  return sessions.has(id) || isNamed(clientIds, id)
}

function isNamed(patterns: readonly string[], id: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : pattern === id,
  )
}
