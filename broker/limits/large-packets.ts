/** Packets up to this size are not counted: each connection buffers that much anyway [bytes]. */
const SMALL_BYTES = 64 * 1024
/** Declared sizes of all large packets that are incomplete [bytes]. */
const MAX_BYTES = 64 * 1024 * 1024
/** Share of all clients without a user name together [bytes]. */
const MAX_ANONYMOUS_BYTES = 16 * 1024 * 1024
/** A large packet must be complete after this time. */
const DEADLINE_MS = 60_000

interface Totals {
  bytes: number
}

/**
 * Limits the memory of packets that are announced but incomplete: Aedes's parser buffers each of them, so a thousand
 * connections that stop in the middle of one would fill the memory.
 */
export class LargePackets {
  readonly #all: Totals = { bytes: 0 }
  readonly #anonymous: Totals = { bytes: 0 }

  /** The large packet of one connection, of which there is at most one at a time. */
  track(onTimeout: () => void): LargePacket {
    return new LargePacket({ all: this.#all, anonymous: this.#anonymous }, onTimeout)
  }
}

export class LargePacket {
  readonly #totals: { all: Totals; anonymous: Totals }
  readonly #onTimeout: () => void
  #timer: NodeJS.Timeout | undefined
  #bytes = 0
  #anonymous = false

  constructor(totals: { all: Totals; anonymous: Totals }, onTimeout: () => void) {
    this.#totals = totals
    this.#onTimeout = onTimeout
  }

  /** A packet of this size begins. Returns false if there is no room for it. */
  begin(bytes: number, anonymous: boolean): boolean {
    if (bytes <= SMALL_BYTES) return true
    const { all, anonymous: ofAnonymous } = this.#totals
    if (all.bytes + bytes > MAX_BYTES) return false
    if (anonymous && ofAnonymous.bytes + bytes > MAX_ANONYMOUS_BYTES) return false
    this.#bytes = bytes
    this.#anonymous = anonymous
    all.bytes += bytes
    if (anonymous) ofAnonymous.bytes += bytes
    this.#timer = setTimeout(this.#onTimeout, DEADLINE_MS).unref()
    return true
  }

  /** The packet is complete, or its connection has ended. */
  end(): void {
    if (this.#bytes === 0) return
    clearTimeout(this.#timer)
    this.#totals.all.bytes -= this.#bytes
    if (this.#anonymous) this.#totals.anonymous.bytes -= this.#bytes
    this.#bytes = 0
  }
}
