import { chooseIceServers } from '../ice/ice-servers.ts'
import type { PeerOptions } from '../peer/peer-config.ts'
import { REASON } from './close-reasons.ts'
import { Session, type SessionDeps } from './session.ts'

export interface SessionsOptions {
  maxConnections: number
  /** Used when the relay names no servers. */
  /** Asked where a viewer's request names no servers: addresses, or servers with an account. */
  ownServers: readonly unknown[]
  peer: Omit<PeerOptions, 'iceServers'>
  deps: Omit<SessionDeps, 'ended'>
}

/** Servers in one log line. */
const MAX_NAMED = 8

/** Everybody who watches. The newest is always let in. */
export class Sessions implements AsyncDisposable {
  readonly #options: SessionsOptions
  readonly #live = new Map<string, Session>()
  /** Closed, but with sockets still open. */
  readonly #leaving = new Set<Promise<void>>()
  #stopping = false

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /** Oldest first. */
  get list(): Session[] {
    return [...this.#live.values()]
  }

  get(id: string): Session | undefined {
    return this.#live.get(id)
  }

  /** Begins a session. The same id again is a restart: what was there ends without a word (API_CONTRACT 3.5). */
  async request(id: string, iceServers: unknown): Promise<void> {
    if (this.#stopping) return
    const { deps, peer, ownServers } = this.#options
    this.#live.get(id)?.close(REASON.superseded)
    this.#makeRoom()
    const servers = chooseIceServers(iceServers, ownServers)
    const named = [...servers.stun, ...servers.turn].map(({ host, port }) => `${host}:${port}`)
    deps.log.info({ session_id: id, servers: named.slice(0, MAX_NAMED) }, 'video requested')
    const session = new Session(
      id,
      { ...peer, iceServers: servers },
      { ...deps, ended: (one) => this.#forget(one) },
    )
    this.#live.set(id, session)
    deps.changed()
    await session.start()
  }

  /** Gives up the oldest session, unless it is the only one, which would come back at once. */
  relieve(): void {
    const [oldest, ...others] = this.list
    if (others.length > 0) oldest?.close(REASON.outOfMemory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    for (const session of this.list) session.close(REASON.serviceStopping)
    await Promise.all(this.#leaving)
  }

  /** Lets the oldest go that never connected, else the oldest. */
  #makeRoom(): void {
    while (this.#live.size >= this.#options.maxConnections) {
      const leaving = this.list.find(({ state }) => state !== 'connected') ?? this.list[0]
      leaving?.close(REASON.evicted)
    }
  }

  #forget(session: Session): void {
    if (this.#live.get(session.id) === session) this.#live.delete(session.id)
    const released: Promise<void> = session.released().then(() => void this.#leaving.delete(released))
    this.#leaving.add(released)
    this.#options.deps.changed()
  }
}
