import type { OfferRefusal } from '#bus/messages.ts'
import { chooseIceServers, namesServers } from '../ice/ice-servers.ts'
import type { OnLocalServer } from '../ice/resolve-host.ts'
import type { PeerOptions } from '../peer/peer.ts'
import { OfferError, parseViewerOffer, type ViewerOffer } from '../peer/viewer-offer.ts'
import { REASON } from './close-reasons.ts'
import { Session, type SessionDeps } from './session.ts'
import { createSignalingPublisher } from './signaling-publisher.ts'

export interface SessionsOptions {
  maxConnections: number
  /** Used where a request names no servers: URLs, or servers with an account. */
  ownServers: readonly unknown[]
  peer: Omit<PeerOptions, 'ice'> & { ice: Omit<PeerOptions['ice'], 'iceServers' | 'onLocalServer'> }
  /** Refuse STUN and TURN servers that a request names on local addresses. */
  refuseLocalServers: boolean
  deps: Omit<SessionDeps, 'onClosed'>
}

/** Servers in one log line. */
const MAX_LOGGED = 8

/** What a viewer may ask for. */
interface SessionRequest {
  /** It may send no command but stop. */
  watchOnly?: boolean
  /** SDP of a viewer that offers itself. */
  offer?: string | undefined
  talk?: boolean | undefined
}

/** All sessions, at most `maxConnections`: a new viewer is always accepted, and replaces another when they are full. */
export class Sessions implements AsyncDisposable {
  readonly #options: SessionsOptions
  readonly #sessions = new Map<string, Session>()
  /** Closed sessions whose sockets are still open. */
  readonly #closing = new Set<Promise<void>>()
  /** For `webrtc/state`: servers of the last request that are refused. */
  refusedServers: string[] = []
  #stopping = false

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /** Oldest first. */
  get list(): Session[] {
    return [...this.#sessions.values()]
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id)
  }

  /**
   * Starts a session, with the offer of a viewer that offers itself. A known id is a restart: the previous session ends
   * silently (docs/relay-protocol.md). `talk`: the viewer may talk, if there is a speaker.
   */
  async request(
    id: string,
    iceServers: unknown,
    { offer, talk = false, watchOnly = false }: SessionRequest = {},
  ): Promise<void> {
    if (this.#stopping) return
    const { deps, peer, ownServers } = this.#options
    const previous = this.#sessions.get(id)
    if (watchOnly && previous && !previous.watchOnly) {
      // no answer: it would reach the viewer that drives
      deps.log.info(
        { session_id: id },
        'video requested by a viewer that only watches, with the id of one that drives',
      )
      return
    }
    previous?.close(REASON.superseded)
    const viewerOffer = offer === undefined ? undefined : this.#examine(id, offer)
    if (offer !== undefined && !viewerOffer) return
    if (!this.#makePlace(watchOnly)) {
      createSignalingPublisher(deps.bus, deps.log, id).closed(REASON.noPlace, 'robot')
      return
    }
    const servers = chooseIceServers(iceServers, ownServers)
    this.refusedServers = []
    // the servers of the config may be on this machine
    const isChecked = this.#options.refuseLocalServers && namesServers(iceServers)
    const onLocalServer = isChecked ? this.#createRefusal(id) : undefined
    const named = [...servers.stun, ...servers.turn].map(({ host, port }) => `${host}:${port}`)
    deps.log.info({ session_id: id, servers: named.slice(0, MAX_LOGGED) }, 'video requested')
    const session = new Session(
      { id, watchOnly },
      {
        ...peer,
        ice: { ...peer.ice, iceServers: servers, onLocalServer },
        talk: talk && !watchOnly && offer === undefined && deps.talk !== undefined,
      },
      { ...deps, onClosed: (closed) => this.#remove(closed) },
    )
    this.#sessions.set(id, session)
    deps.onChanged()
    await (viewerOffer ? session.answerOffer(viewerOffer) : session.start())
  }

  /** An ICE restart of a viewer that has offered. */
  async restart(id: string, fragment: string): Promise<void> {
    const session = this.#sessions.get(id)
    if (session) await session.restart(fragment)
    else this.#refuse(id, 'no-session', 'the session has ended')
  }

  /** Closes the oldest session to free memory, unless it is the only one, which would reconnect at once. */
  closeOldest(): void {
    const [oldest, ...others] = this.list
    if (others.length > 0) oldest?.close(REASON.outOfMemory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    for (const session of this.list) session.close(REASON.serviceStopping)
    await Promise.all(this.#closing)
  }

  /**
   * The offer, unless it is refused. A viewer that offers is a player that tries again by itself: it replaces no other one, or two
   * of them would replace each other forever.
   */
  #examine(id: string, text: string): ViewerOffer | undefined {
    const { maxConnections, peer } = this.#options
    try {
      const offer = parseViewerOffer(text, peer.codec)
      if (this.#sessions.size < maxConnections) return offer
      this.#refuse(
        id,
        'busy',
        `the robot has ${maxConnections} viewers, as many as webrtc.max_connections allows`,
      )
    } catch (err) {
      if (!(err instanceof OfferError)) throw err
      this.#refuse(id, err.code, err.message)
    }
    return undefined
  }

  #refuse(id: string, code: OfferRefusal, error: string): void {
    const { bus, log } = this.#options.deps
    log.info({ session_id: id, code, error }, 'offer of a viewer refused')
    createSignalingPublisher(bus, log, id).refused(code, error)
  }

  /** Reports each refused server of one request once. */
  #createRefusal(session_id: string): OnLocalServer {
    const { log, onChanged } = this.#options.deps
    const refused: string[] = []
    this.refusedServers = refused
    return (server, address) => {
      if (refused.includes(server)) return
      refused.push(server)
      log.warn({ session_id, server, address }, 'STUN or TURN server of the relay refused: local address')
      onChanged()
    }
  }

  /**
   * Closes the oldest session that is not connected, else the oldest; one that cannot drive before one that may, which a viewer
   * that only watches never replaces. Returns whether there is a place.
   */
  #makePlace(watchOnly: boolean): boolean {
    while (this.#sessions.size >= this.#options.maxConnections) {
      const watching = this.list.filter((one) => !one.mayDrive)
      const replaceable = watchOnly || watching.length > 0 ? watching : this.list
      const evicted = replaceable.find(({ state }) => state !== 'connected') ?? replaceable[0]
      if (!evicted) return false
      evicted.close(REASON.evicted)
    }
    return true
  }

  #remove(session: Session): void {
    if (this.#sessions.get(session.id) === session) this.#sessions.delete(session.id)
    const released: Promise<void> = session.released().then(() => void this.#closing.delete(released))
    this.#closing.add(released)
    this.#options.deps.onChanged()
  }
}
