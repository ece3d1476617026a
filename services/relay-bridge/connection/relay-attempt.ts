import type { Disconnect } from './disconnect.ts'
import { RelaySocket, type RelaySocketOptions } from './relay-socket.ts'

/** Silence of an open socket before the companion is dialed. */
const COMPANION_AFTER_MS = 5_000

interface AttemptOptions extends Omit<RelaySocketOptions, 'onRegistered'> {
  /** Dial a second socket while the first is silent. */
  withCompanion: boolean
  /** The first frame arrived: the relay has registered a socket of this attempt. */
  onRegistered(): void
  /** The companion opened. */
  onCompanionOpen(): void
  /** The relay has closed the first socket for the companion, which stays. */
  onFirstReplaced(): void
  /** Both sockets are registered, one after the other: close them and dial again. */
  onBothRegistered(): void
}

/**
 * One attempt to connect: a socket and, if it stays silent after an abandoned attempt, a companion. The relay registers a
 * socket that arrives while it waits for a half-open predecessor at once, and the first one later, when that wait ends
 * (docs/relay-protocol.md, stale registrations). So the companion makes the robot reachable up to 20 s earlier; the first
 * socket stays open, since an abandoned one would replace the companion for good.
 */
export class RelayAttempt {
  readonly ended: Promise<Disconnect>
  readonly #options: AttemptOptions
  readonly #resolve: (disconnect: Disconnect) => void
  readonly #first: RelaySocket
  #firstState: 'silent' | 'registered' | 'replaced' = 'silent'
  #companion: RelaySocket | undefined
  /** The socket that was registered first. */
  #current: RelaySocket | undefined
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  /** Dials at once. */
  constructor(options: AttemptOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<Disconnect>()
    this.ended = promise
    this.#resolve = resolve
    this.#first = new RelaySocket({
      ...options,
      onOpen: () => this.#opened(),
      onRegistered: () => this.#firstRegistered(),
    })
    void this.#first.ended.then((disconnect) => this.#firstEnded(disconnect))
  }

  /** The relay may register the first socket later, instead of the companion. */
  get hasPending(): boolean {
    return this.#companion !== undefined && this.#firstState === 'silent'
  }

  /** Bytes that wait to be sent. */
  get bufferedBytes(): number {
    return this.#active.bufferedBytes
  }

  /** Sends a text frame; false when the socket is not open. */
  send(text: string): boolean {
    return this.#active.send(text)
  }

  /** Ends all sockets without a close frame. */
  abort(reason: string): void {
    this.#active.abort(reason)
  }

  /** Ends all sockets with a close frame. */
  close(code: number, reason: string): void {
    const inactive = this.#active === this.#first ? this.#companion : this.#first
    inactive?.close(code, reason)
    this.#active.close(code, reason)
  }

  get #active(): RelaySocket {
    return this.#current ?? this.#first
  }

  #opened(): void {
    this.#options.onOpen()
    if (this.#options.withCompanion) this.#timer = setTimeout(() => this.#dialCompanion(), COMPANION_AFTER_MS)
  }

  #dialCompanion(): void {
    const companion: RelaySocket = new RelaySocket({
      ...this.#options,
      onOpen: () => {
        this.#options.onCompanionOpen()
        companion.send('{"type":"ping"}')
      },
      onRegistered: () => this.#registered(companion),
    })
    this.#companion = companion
    void companion.ended.then((disconnect) => this.#companionEnded(disconnect))
  }

  #firstRegistered(): void {
    clearTimeout(this.#timer)
    this.#firstState = 'registered'
    this.#registered(this.#first)
  }

  #registered(socket: RelaySocket): void {
    if (this.#current) this.#options.onBothRegistered()
    else {
      this.#current = socket
      this.#options.onRegistered()
    }
  }

  #firstEnded(disconnect: Disconnect): void {
    clearTimeout(this.#timer)
    // a relay that did not wait closes it for the companion
    const isReplaced = this.#companion !== undefined && disconnect.code === 1000 && !disconnect.unclean
    if (!isReplaced || this.#isOver) this.#end(disconnect)
    else {
      this.#firstState = 'replaced'
      if (this.#current) this.#options.onFirstReplaced()
    }
  }

  #companionEnded(disconnect: Disconnect): void {
    if (this.#current === this.#first) return
    // one that never opened changes nothing
    if (disconnect.mayBeOpen || this.#firstState === 'replaced') this.#end(disconnect)
  }

  #end(disconnect: Disconnect): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#resolve(disconnect)
    this.#first.close(1000, 'attempt over')
    this.#companion?.close(1000, 'attempt over')
  }
}
