import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '#lib/logger.ts'
import type { Ending } from '../connection/disconnect.ts'
import type { Outbox } from './outbox.ts'
import type { Entry } from './outbox-store.ts'

/** What the sender needs of the connection. */
export interface Wire {
  /** False when the frame is gone with the socket. */
  sendText(text: string): boolean
  /** Bytes that wait in our own socket. */
  readonly waiting: number
  /** Ends a connection that is of no use. */
  giveUp(reason: string): void
}

export interface SenderTimes {
  /** Pause between two parts of the backlog, ms. */
  pause: number
  /** A relay that has not answered a ping for this long is gone; a slow app may hold it up for 55 s (API_CONTRACT 8). */
  proof: number
}

const SENDER_TIMES: SenderTimes = { pause: 25, proof: 90_000 }

/** Events that are sent between two pauses: 200 a second, and live ones of a robot at once. */
const PART = 5
/** Sent and not proven, at most. */
const WINDOW = { events: 500, bytes: 4 * 1024 * 1024 }
/** Signalling and acknowledgements must not wait behind more than this many bytes of events. */
const SOCKET_LIMIT = 256 * 1024
/** The relay may close the link for a frame that it cannot stand (API_CONTRACT 1.4, 8): tries before we blame one. */
const SUSPICIOUS = 3

/**
 * Sends what is in the outbox, in order, as long as a link is registered. An event is forgotten when a pong that
 * answers a later ping proves that the relay has read past it; after a lost link everything unproven is sent again,
 * with the same id.
 */
export class OutboxSender {
  readonly #outbox: Outbox
  readonly #log: Logger
  readonly #times: SenderTimes
  #wire: Wire | undefined
  /** The last one sent on this link. */
  #sent = 0
  #unproven: Entry[] = []
  /** What the ping under way proves when it is answered: everything up to here. */
  #asked: number | undefined
  #deadline: NodeJS.Timeout | undefined
  #wakeUp = Promise.withResolvers<void>()
  /** The event that was oldest when the relay closed the link, and how often in a row. */
  #suspect = { seq: 0, closes: 0 }

  constructor(outbox: Outbox, log: Logger, times: Partial<SenderTimes> = {}) {
    this.#outbox = outbox
    this.#log = log
    this.#times = { ...SENDER_TIMES, ...times }
  }

  /** A socket is open: asks for the first sign of life, which proves nothing sent. */
  opened(wire: Wire): void {
    this.#forgetLink()
    this.#ping(wire, 0)
  }

  /** The relay knows us: sends what there is. */
  registered(wire: Wire): void {
    this.#wire = wire
    this.#send(wire).catch((err: unknown) => this.#log.error({ err }, 'the outbox cannot be read'))
  }

  /** The link is gone. */
  lost({ code }: Pick<Ending, 'code'>): void {
    const oldest = this.#unproven[0]
    if (oldest && isVerdict(code)) this.#blame(oldest)
    this.#forgetLink()
  }

  /** Something new is in the outbox. */
  stored(): void {
    this.#wakeUp.resolve()
  }

  /** A pong came: whatever was sent before its ping has been read. */
  ponged(): void {
    const upTo = this.#asked
    if (upTo === undefined) return
    this.#asked = undefined
    clearTimeout(this.#deadline)
    if (upTo > 0) this.#proven(upTo)
    this.#askForProof()
    this.#wakeUp.resolve()
  }

  async #send(wire: Wire): Promise<void> {
    while (this.#wire === wire) {
      const sent = await this.#sendPart(wire)
      if (this.#wire !== wire) return
      this.#askForProof()
      await (sent > 0 || wire.waiting > SOCKET_LIMIT ? sleep(this.#times.pause) : this.#wait())
    }
  }

  /** Resolves to how many were sent. */
  async #sendPart(wire: Wire): Promise<number> {
    if (!this.#hasRoom(wire)) return 0
    const entries = await this.#outbox.after(this.#sent, this.#limit())
    if (this.#wire !== wire) return 0
    for (const entry of entries) {
      if (!wire.sendText(entry.frame)) break
      this.#sent = entry.seq
      this.#unproven.push(entry)
    }
    return entries.length
  }

  /** After a link was closed over the same event again and again, one at a time shows which one it is. */
  #limit(): { count: number; bytes: number } {
    return { count: this.#careful ? 1 : PART, bytes: SOCKET_LIMIT }
  }

  get #careful(): boolean {
    return this.#suspect.closes >= SUSPICIOUS
  }

  #hasRoom(wire: Wire): boolean {
    if (wire.waiting > SOCKET_LIMIT) return false
    if (this.#careful) return this.#unproven.length === 0
    const bytes = this.#unproven.reduce((sum, { frame }) => sum + frame.length, 0)
    return this.#unproven.length < WINDOW.events && bytes < WINDOW.bytes
  }

  async #wait(): Promise<void> {
    await this.#wakeUp.promise
    this.#wakeUp = Promise.withResolvers()
  }

  #askForProof(): void {
    const last = this.#unproven.at(-1)
    if (this.#wire && last && this.#asked === undefined) this.#ping(this.#wire, last.seq)
  }

  #ping(wire: Wire, upTo: number): void {
    if (!wire.sendText('{"type":"ping"}')) return
    this.#asked = upTo
    if (upTo > 0) this.#deadline = setTimeout(() => wire.giveUp('no answer to a ping'), this.#times.proof)
  }

  #proven(upTo: number): void {
    this.#unproven = this.#unproven.filter(({ seq }) => seq > upTo)
    if (this.#suspect.seq <= upTo) this.#suspect = { seq: 0, closes: 0 }
    this.#outbox.forgetUpTo(upTo).catch((err: unknown) => {
      this.#log.warn({ err }, 'sent events stay in the outbox, and may be sent again')
    })
  }

  #blame(oldest: Entry): void {
    const closes = this.#suspect.seq === oldest.seq ? this.#suspect.closes + 1 : 1
    this.#suspect = { seq: oldest.seq, closes }
    // the last tries were with this one alone
    if (closes < 2 * SUSPICIOUS) return
    this.#suspect = { seq: 0, closes: 0 }
    this.#log.error({ event: oldest.name, closes }, 'the relay closes the link over this event: given up')
    this.#outbox.forget(oldest.seq).catch((err: unknown) => this.#log.error({ err }, 'it is still there'))
  }

  #forgetLink(): void {
    this.#wire = undefined
    this.#sent = 0
    this.#unproven = []
    this.#asked = undefined
    clearTimeout(this.#deadline)
    this.#wakeUp.resolve()
  }
}

/** Closed by the relay for what we said, rather than lost: 1000, 1003, 1007…1009, 1011 (API_CONTRACT 1.4, 8). */
function isVerdict(code: number | null): boolean {
  return code !== null && [1000, 1003, 1007, 1008, 1009, 1011].includes(code)
}
